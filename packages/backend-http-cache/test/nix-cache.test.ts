/* Binary caches that lie, break, or lead astray. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { byteStringOf, bytesOf, concatBytes } from "@firn/base";
import { generateSecretKey, NarWriter, type SecretKey } from "@firn/nix-compat";
import { checkNar, signPathInfo, type StoreServices, TrustedKeys } from "@firn/store";
import { chainStore, memoryStore, pathOf, register, fileNode } from "../../store/test/small-store.ts";
import { type Credentials, NarInfoMemory, Netrc, openNixCache } from "../src/index.ts";
import { bring, type Brought, IMPATIENT, namesOf, publishedFiles, serveFiles, tempDir } from "./caches.ts";

const D = pathOf("d");
const A = pathOf("a");

/** The chain store with every path signed. */
async function signedStore(key: SecretKey): Promise<StoreServices> {
  const store = await chainStore();
  const infos = await Array.fromAsync(store.pathInfos.list());
  await store.pathInfos.put(await Promise.all(infos.map((info) => signPathInfo(info, [key], ["nix"]))));
  return store;
}

const narInfoName = (path = A) => `${path.hashPart}.narinfo`;

function edit(files: Map<string, Uint8Array>, name: string, change: (text: string) => string): Map<string, Uint8Array> {
  return new Map(files).set(name, bytesOf(change(byteStringOf(files.get(name) as Uint8Array))));
}

test("a closure comes from a cache with all it refers to, checked", async (t) => {
  for (const compression of ["none", "gzip", "br", "zstd", "xz", "bzip2"]) {
    const { url, asked } = await serveFiles(t, await publishedFiles(t, [D], undefined, `?compression=${compression}`));
    using opened = openNixCache(`nix+${url}`);
    const { isThere, to, problems } = await bring([D], [opened.cache]);
    assert.deepEqual([isThere, problems], [true, []], compression);
    assert.deepEqual(await namesOf(D, to), ["name-a", "name-b", "name-c", "name-d"]);
    for await (const info of to.pathInfos.list()) await checkNar(info, to);
    assert.equal(asked.filter(({ path }) => path.startsWith("nar/")).length, 4);
  }
});

test("what is not offered, or not with all it needs, is not brought", async (t) => {
  const files = await publishedFiles(t, [D]);
  files.delete(narInfoName(A));
  const { url } = await serveFiles(t, files);
  using opened = openNixCache(url);
  const { isThere, to } = await bring([D], [opened.cache]);
  assert.equal(isThere, false);
  assert.equal((await Array.fromAsync(to.pathInfos.list())).length, 0);
});

test("what is there already is not asked for again", async (t) => {
  const { url, asked } = await serveFiles(t, await publishedFiles(t, [D]));
  using opened = openNixCache(url);
  const { to } = await bring([pathOf("b")], [opened.cache]);
  const before = asked.length;
  await bring([D], [opened.cache], { to });
  const later = asked.slice(before).map(({ path }) => path);
  assert.ok(!later.includes(narInfoName(A)) && !later.includes(narInfoName(pathOf("b"))));
  assert.equal(later.filter((path) => path.startsWith("nar/")).length, 2);
});

test("signatures: each field that is signed, another key, none at all", async (t) => {
  const [key, stranger] = [await generateSecretKey("k-1"), await generateSecretKey("k-1")];
  const signed = await publishedFiles(t, [A], await signedStore(key));
  const trusted = new TrustedKeys([key.publicKey]);
  const zeros = "0".repeat(52);
  const cases: Readonly<Record<string, Map<string, Uint8Array>>> = {
    "another key": await publishedFiles(t, [A], await signedStore(stranger)),
    "no signature": edit(signed, narInfoName(), (text) => text.replace(/^Sig: .*\n/m, "")),
    "a damaged signature": edit(signed, narInfoName(), (text) => text.replace(/^(Sig: k-1:)..../m, "$1AAAA")),
    StorePath: edit(signed, narInfoName(), (text) => text.replace("-name-a", "-name-b")),
    NarHash: edit(signed, narInfoName(), (text) => text.replace(/^NarHash: .*/m, `NarHash: sha256:${zeros}`)),
    NarSize: edit(signed, narInfoName(), (text) => text.replace(/^NarSize: .*/m, "NarSize: 5272")),
    References: edit(signed, narInfoName(), (text) => text.replace(/^References: .*/m, `References: ${A}`)),
  };
  for (const [what, files] of Object.entries(cases)) {
    const { url } = await serveFiles(t, files);
    using opened = openNixCache(url);
    const { isThere, problems } = await bring([A], [opened.cache], { trusted });
    assert.equal(isThere, false, what);
    assert.equal(problems.length, 1, what);
  }
  const { url } = await serveFiles(t, signed);
  using opened = openNixCache(url);
  assert.equal((await bring([A], [opened.cache], { trusted })).isThere, true);
  await assert.rejects(
    bring([A], [openNixCache(url).cache], { trusted: new TrustedKeys([]) }).then(({ isThere }) => assert.ok(isThere)),
  );
});

test("what a narinfo says of NAR and file has to be so, signed or not", async (t) => {
  const files = await publishedFiles(t, [A]);
  const other = `sha256:${"1".repeat(52)}`;
  const narName = [...files.keys()].find((name) => name.startsWith("nar/")) as string;
  const replaced = (bytes: Uint8Array) => new Map(files).set(narName, bytes);
  const whole = files.get(narName) as Uint8Array;
  const cases: Readonly<Record<string, Map<string, Uint8Array>>> = {
    "NAR hash": edit(files, narInfoName(), (text) => text.replace(/^NarHash: .*/m, `NarHash: ${other}`)),
    "NAR size above": edit(files, narInfoName(), (text) => text.replace(/^NarSize: (.*)/m, "NarSize: 9$1")),
    "NAR size below": edit(files, narInfoName(), (text) => text.replace(/^NarSize: (.*)/m, "NarSize: 104")),
    "file hash": edit(files, narInfoName(), (text) => text.replace(/^FileHash: .*/m, `FileHash: ${other}`)),
    "file size": edit(files, narInfoName(), (text) => text.replace(/^FileSize: .*/m, "FileSize: 7")),
    compression: edit(files, narInfoName(), (text) => text.replace(/^Compression: .*/m, "Compression: gzip")),
    "compression unknown": edit(files, narInfoName(), (text) => text.replace(/^Compression: .*/m, "Compression: lzip")),
    "a file cut short": replaced(whole.subarray(0, whole.length - 10)),
    "a file with more behind": replaced(concatBytes([whole, Uint8Array.of(0)])),
    "a file that is no NAR": replaced(zstdCompressSync(new Uint8Array(1000))),
    "no file": new Map([...files].filter(([name]) => name !== narName)),
  };
  for (const [what, changed] of Object.entries(cases)) {
    const { url } = await serveFiles(t, changed);
    using opened = openNixCache(url, IMPATIENT);
    const to = memoryStore();
    await assert.rejects(bring([A], [opened.cache], { to }), what);
    assert.equal((await Array.fromAsync(to.pathInfos.list())).length, 0, what);
  }
  for (const [what, change] of Object.entries({
    "NarSize 0": (text: string) => text.replace(/^NarSize: .*/m, "NarSize: 0"),
    "a key twice": (text: string) => `${text}NarSize: 104\n`,
    "another path": (text: string) => text.replace(/^StorePath: .*/m, `StorePath: ${D.absolute()}`),
  })) {
    const { url } = await serveFiles(t, edit(files, narInfoName(), change));
    using opened = openNixCache(url, IMPATIENT);
    const { isThere, problems } = await bring([A], [opened.cache]);
    assert.deepEqual([isThere, problems.length], [false, 1], what);
  }
});

test("a path that says it follows from its contents needs no signature, and has to follow from them", async (t) => {
  const { makeFixedOutputPath } = await import("@firn/nix-compat");
  const store = memoryStore();
  const info = await register(store, "a", await fileNode(store, "contents"));
  const hash = { algorithm: "sha256", bytes: info.narSha256 } as const;
  const path = makeFixedOutputPath({ method: "nar", hash, name: "addressed", references: [], selfReference: false });
  const addressed = { ...info, path, contentAddress: { method: "nar", hash } as const };
  await store.pathInfos.put([addressed]);
  const files = await publishedFiles(t, [path], store);
  const trusted = new TrustedKeys([]);
  {
    const { url } = await serveFiles(t, files);
    using opened = openNixCache(url);
    assert.equal((await bring([path], [opened.cache], { trusted })).isThere, true);
  }
  const lie = await publishedFiles(t, [A], store);
  const narInfo = byteStringOf(lie.get(narInfoName()) as Uint8Array);
  const changed = `${narInfo}CA: fixed:r:sha256:${"0".repeat(52)}\n`;
  const { url } = await serveFiles(t, new Map(lie).set(narInfoName(), bytesOf(changed)));
  using opened = openNixCache(url);
  assert.equal((await bring([A], [opened.cache], { trusted })).isThere, false);
});

test("a NAR that would write through a link, or nests too deep, is refused", async (t) => {
  const files = await publishedFiles(t, [A], undefined, "?compression=none");
  const narName = [...files.keys()].find((name) => name.startsWith("nar/")) as string;
  const parts: Uint8Array[] = [];
  const writer = new NarWriter((chunk) => parts.push(new Uint8Array(chunk)));
  writer.startDirectory().entry("a").symlink("/etc").entry("b").symlink("/etc").endDirectory().finish();
  const twice = concatBytes(parts).map((byte) => (byte === 0x62 ? 0x61 : byte)); // the second entry is called as the first
  const token = (text: string) => {
    const bytes = new Uint8Array(8 + Math.ceil(text.length / 8) * 8);
    bytes[0] = text.length;
    bytes.set(bytesOf(text), 8);
    return bytes;
  };
  const level = ["(", "type", "directory", "entry", "(", "name", "x", "node"].map(token);
  const deep = concatBytes([token("nix-archive-1"), ...Array.from({ length: 5000 }, () => level).flat()]);
  for (const nar of [twice, deep]) {
    const changed = edit(new Map(files).set(narName, nar), narInfoName(), (text) =>
      text.replace(/^File.*\n/gm, "").replace(/^NarSize: .*/m, `NarSize: ${nar.length}`),
    );
    const { url } = await serveFiles(t, changed);
    using opened = openNixCache(url, IMPATIENT);
    await assert.rejects(bring([A], [opened.cache]), { code: /malformed|limit/ });
  }
});

test("what unpacks to more than the NAR's size is stopped there", async (t) => {
  const files = await publishedFiles(t, [A]);
  const narName = [...files.keys()].find((name) => name.startsWith("nar/")) as string;
  const head = (await publishedFiles(t, [A], undefined, "?compression=none")).entries();
  const plain = [...head].find(([name]) => name.startsWith("nar/"))?.[1] as Uint8Array;
  const bomb = zstdCompressSync(concatBytes([plain, new Uint8Array(100_000_000)]));
  const changed = edit(new Map(files).set(narName, bomb), narInfoName(), (text) => text.replace(/^File.*\n/gm, ""));
  const { url } = await serveFiles(t, changed);
  using opened = openNixCache(url, IMPATIENT);
  await assert.rejects(bring([A], [opened.cache]), { code: "mismatch" });
});

test("a narinfo's URL cannot lead out of a cache", async (t) => {
  const files = await publishedFiles(t, [A]);
  for (const target of [
    "../secret",
    "nar/../../secret",
    "/etc/passwd",
    "file:///etc/passwd",
    "nar/%2e%2e/%2e%2e/secret",
    "ftp://x/y",
  ]) {
    const changed = edit(files, narInfoName(), (text) => text.replace(/^URL: .*/m, `URL: ${target}`));
    const { url, asked } = await serveFiles(t, changed);
    using opened = openNixCache(`${url}/`, IMPATIENT);
    await assert.rejects(bring([A], [opened.cache]), { code: /unsupported|failed/ }, target);
    assert.deepEqual(
      asked.filter(({ path }) => !path.endsWith("info")),
      [],
      target,
    );
  }
  const { writeFileSync, mkdirSync } = await import("node:fs");
  const directory = join(tempDir(t), "cache");
  for (const [name, bytes] of edit(files, narInfoName(), (text) => text.replace(/^URL: .*/m, "URL: ../outside"))) {
    mkdirSync(join(directory, name, ".."), { recursive: true });
    writeFileSync(join(directory, name), bytes);
  }
  using opened = openNixCache(`file://${directory}`);
  await assert.rejects(bring([A], [opened.cache]), { code: "unsupported" });
});

test("a connection that breaks is made again, and the body goes on where it broke", async (t) => {
  const store = memoryStore();
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  await register(store, "a", await fileNode(store, concatBytes(Array(20).fill(bytes))));
  const files = await publishedFiles(t, [A], store, "?compression=none");
  const whole = Math.max(...[...files.values()].map(({ length }) => length));
  let breaks = 0;
  const { url, asked } = await serveFiles(t, files, (request, response, file) => {
    if (file === undefined || file.length < 100_000 || breaks >= 5) return false;
    breaks++;
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const etag = `"${file.length}-${file[file.length >> 1]}"`;
    const head = {
      etag,
      "content-length": file.length - from,
      "content-range": `bytes ${from}-${file.length - 1}/${file.length}`,
    };
    response.writeHead(from === 0 ? 200 : 206, head);
    response.write(file.subarray(from, from + 150_000), () => setTimeout(() => response.destroy(), 20));
    return true;
  });
  using opened = openNixCache(url, IMPATIENT);
  const result = await bring([A], [opened.cache]);
  assert.equal(result.isThere, true);
  assert.equal(breaks, 5);
  assert.equal(result.bytes, whole, "nothing came twice");
  assert.ok(asked.filter(({ range }) => range !== undefined).length >= 4);
  const info = await result.to.pathInfos.get(A.hashPart);
  assert.ok(info);
  await checkNar(info, result.to);
});

test("a server without ranges sends all again, and one whose file changed meanwhile is not believed", async (t) => {
  const store = memoryStore();
  await register(store, "a", await fileNode(store, crypto.getRandomValues(new Uint8Array(60_000))));
  const files = await publishedFiles(t, [A], store, "?compression=none");
  for (const changes of [false, true]) {
    let attempts = 0;
    const { url } = await serveFiles(t, files, (_, response, file) => {
      if (file === undefined || file.length < 50_000) return false;
      attempts++;
      response.writeHead(200, { etag: changes ? `"${attempts}"` : '"same"', "content-length": file.length });
      if (attempts > 2) response.end(file);
      else response.write(file.subarray(0, 30_000), () => setTimeout(() => response.destroy(), 20));
      return true;
    });
    using opened = openNixCache(url, IMPATIENT);
    if (changes) await assert.rejects(bring([A], [opened.cache]), /changed while it was read/);
    else assert.equal((await bring([A], [opened.cache])).isThere, true);
  }
});

test("errors that may pass are asked again, others are not", async (t) => {
  const files = await publishedFiles(t, [A]);
  for (const [status, expected] of [
    [503, 3],
    [500, 3],
    [429, 3],
    [418, 1],
    [401, 1],
  ] as const) {
    const { url, asked } = await serveFiles(t, files, (request, response) => {
      if (!request.url?.endsWith(".narinfo")) return false;
      response.writeHead(status, { "content-type": "text/plain" }).end("no");
      return true;
    });
    using opened = openNixCache(url, IMPATIENT);
    const { isThere, problems } = await bring([A], [opened.cache]);
    assert.deepEqual([isThere, problems.length], [false, 1]);
    assert.equal(asked.filter(({ path }) => path.endsWith(".narinfo")).length, expected, String(status));
  }
});

test("403 and 404 both say that a path is not there", async (t) => {
  for (const status of [403, 404, 410]) {
    const { url } = await serveFiles(t, await publishedFiles(t, [A]), (request, response) => {
      if (!request.url?.endsWith(".narinfo")) return false;
      response.writeHead(status).end();
      return true;
    });
    using opened = openNixCache(url, IMPATIENT);
    const { isThere, problems } = await bring([A], [opened.cache]);
    assert.deepEqual([isThere, problems], [false, []]);
  }
});

test("a server that stands still is given up", async (t) => {
  const { url } = await serveFiles(
    t,
    await publishedFiles(t, [A]),
    (request) => request.url?.endsWith(".narinfo") === true,
  );
  using opened = openNixCache(url, { retry: IMPATIENT.retry, stallMs: 50 });
  const { isThere, problems } = await bring([A], [opened.cache]);
  assert.equal(isThere, false);
  assert.match(problems[0], /nothing came/);
});

test("caches are asked by priority, and when one is down or fails the next one serves", async (t) => {
  const files = await publishedFiles(t, [D]);
  const withPriority = (priority: number) =>
    edit(files, "nix-cache-info", (text) => text.replace(/Priority: .*/, `Priority: ${priority}`));
  const late = await serveFiles(t, withPriority(60));
  const early = await serveFiles(t, withPriority(10));
  using first = openNixCache(late.url);
  using second = openNixCache(early.url);
  await bring([D], [first.cache, second.cache]);
  assert.deepEqual(
    late.asked.map(({ path }) => path),
    ["nix-cache-info"],
  );
  const broken = await serveFiles(t, withPriority(1), (request, response) => {
    if (!request.url?.startsWith("/nar/")) return false;
    response.writeHead(500).end();
    return true;
  });
  using third = openNixCache(broken.url, IMPATIENT);
  using dead = openNixCache("http://127.0.0.1:9", IMPATIENT);
  const { isThere, problems }: Brought = await bring([D], [dead.cache, third.cache, first.cache]);
  assert.equal(isThere, true);
  assert.equal(problems.length, 5, "the one that is down once, the broken one for each path");
  using overridden = openNixCache(`${early.url}?priority=99`);
  assert.equal(await overridden.cache.priority(), 99);
});

test("a cache for another store directory is passed over", async (t) => {
  const files = await publishedFiles(t, [A]);
  const { url } = await serveFiles(
    t,
    edit(files, "nix-cache-info", (text) => text.replace("/nix/store", "/gnu/store")),
  );
  using opened = openNixCache(url);
  const { isThere, problems } = await bring([A], [opened.cache]);
  assert.equal(isThere, false);
  assert.match(problems[0], /\/gnu\/store/);
});

test("credentials go to the host they are for, and to no other that it leads to", async (t) => {
  const files = await publishedFiles(t, [A]);
  const elsewhere = await serveFiles(t, files);
  const byName = elsewhere.url.replace("127.0.0.1", "localhost");
  const { url, asked } = await serveFiles(t, files, (request, response) => {
    if (!request.url?.startsWith("/nar/")) return false;
    response.writeHead(302, { location: `${byName}${request.url}` }).end();
    return true;
  });
  const hosts: string[] = [];
  const credentials = (host: string): Credentials | undefined => {
    hosts.push(host);
    return host === "127.0.0.1" ? { login: "me", password: "secret" } : undefined;
  };
  using opened = openNixCache(url, { credentials });
  assert.equal((await bring([A], [opened.cache])).isThere, true);
  const basic = `Basic ${Buffer.from("me:secret").toString("base64")}`;
  assert.ok(asked.every(({ authorization }) => authorization === basic));
  assert.ok(elsewhere.asked.length > 0 && elsewhere.asked.every(({ authorization }) => authorization === undefined));
  assert.ok(hosts.includes("localhost"));
  using own = openNixCache(url.replace("http://", "http://you:word@"));
  assert.doesNotMatch(own.cache.label, /word/);
  elsewhere.asked.length = 0;
  await bring([A], [own.cache]);
  assert.equal(asked.at(-1)?.authorization, `Basic ${Buffer.from("you:word").toString("base64")}`);
  assert.ok(elsewhere.asked.every(({ authorization }) => authorization === undefined));
});

test("an address with a query stays one, and no message names its tokens and passwords", async (t) => {
  const files = await publishedFiles(t, [A]);
  const secret = /hidden|word/;
  const { url, asked } = await serveFiles(t, files, (request, response, file) => {
    const { pathname, searchParams } = new URL(request.url as string, "http://cache");
    const found = searchParams.get("token") === "hidden" ? files.get(pathname.slice("/deep/".length)) : file;
    response.writeHead(found === undefined ? 404 : 200).end(found);
    return true;
  });
  const address = `${url.replace("//", "//me:word@")}/deep?token=hidden`;
  using opened = openNixCache(address, IMPATIENT);
  assert.equal((await bring([A], [opened.cache])).isThere, true);
  assert.ok(asked.every(({ path }) => path.startsWith("deep/")));
  using other = openNixCache(`${url}/deep?token=other`);
  assert.equal(opened.cache.label, other.cache.label);
  assert.notEqual(opened.cache.files.identity, other.cache.files.identity);
  assert.doesNotMatch(`${opened.cache.label} ${opened.cache.files.identity}`, secret);

  const messages: string[] = [];
  const refused = async (work: () => unknown) =>
    await assert.rejects(
      async () => await work(),
      (thrown: Error) => messages.push(thrown.message) > 0,
    );
  await refused(() => opened.cache.files.read("nix-cache-info", 3));
  await refused(() => openNixCache(`${address}&priority=urgent`));
  await refused(() => openNixCache(`${address}&compression=hope`));
  await refused(() => openNixCache("https://me:w/ord?hidden@cache.example"));
  for (const location of ["ftp://me:word@elsewhere/x?hidden", "http://[x?hidden", "/again?hidden"]) {
    const astray = await serveFiles(t, files, (_, response) => Boolean(response.writeHead(302, { location }).end()));
    using cache = openNixCache(astray.url.replace("//", "//me:word@"), IMPATIENT);
    await refused(() => cache.cache.files.read("x?token=hidden", 100));
  }
  const broken = await serveFiles(t, files, (_, response) => Boolean(response.writeHead(500).end()));
  using failing = openNixCache(`${broken.url.replace("//", "//me:word@")}?token=hidden`, IMPATIENT);
  for (const ask of [
    () => failing.cache.files.read("x", 100),
    () => failing.cache.files.has("x"),
    () => Array.fromAsync(failing.cache.files.stream("x")),
  ])
    await refused(ask);
  assert.equal(messages.length, 10);
  for (const message of messages) assert.doesNotMatch(message, secret);
});

test("a proxy is gone through where one is named, and not for hosts that are excepted", async (t) => {
  const files = await publishedFiles(t, [A]);
  const proxy = await serveFiles(t, new Map(), (request, response) => {
    const name = decodeURIComponent(new URL(request.url as string).pathname.slice(1));
    const file = files.get(name);
    response.writeHead(file === undefined ? 404 : 200).end(file);
    return true;
  });
  using through = openNixCache("http://cache.invalid", { proxyEnv: { http_proxy: proxy.url } });
  assert.equal((await bring([A], [through.cache])).isThere, true);
  assert.ok(proxy.asked.every(({ path }) => path.includes("ttp://cache.invalid/")));
  using around = openNixCache("http://cache.invalid", {
    proxyEnv: { http_proxy: proxy.url, no_proxy: "cache.invalid" },
    ...IMPATIENT,
  });
  await assert.rejects(around.cache.priority(), { code: "unreachable" });
});

test("redirects end somewhere, and at HTTP", async (t) => {
  for (const location of ["/nix-cache-info", "file:///etc/passwd"]) {
    const { url } = await serveFiles(t, new Map(), (_, response) => {
      response.writeHead(302, { location }).end();
      return true;
    });
    using opened = openNixCache(url);
    await assert.rejects(opened.cache.priority());
  }
});

test("what a cache answered is remembered for its time, in a file that may be anything", async (t) => {
  const path = join(tempDir(t), "deep", "answers.sqlite");
  let now = 1_000_000_000_000;
  const hour = 60 * 60 * 1000;
  using memory = new NarInfoMemory(path, () => now);
  const files = await publishedFiles(t, [A]);
  const { url, asked } = await serveFiles(t, files);
  using opened = openNixCache(url, { memory });
  const offers = async () =>
    [await opened.cache.offer(A.hashPart), await opened.cache.offer("b".repeat(32))].map((one) => one !== undefined);
  assert.deepEqual(await offers(), [true, false]);
  assert.equal(asked.length, 2);
  now += hour - 1;
  assert.deepEqual(await offers(), [true, false]);
  assert.equal(asked.length, 2);
  now += 2;
  assert.deepEqual(await offers(), [true, false]);
  assert.equal(asked.length, 3, "what is not there is asked for again after an hour");
  now += 31 * 24 * hour;
  assert.deepEqual(await offers(), [true, false]);
  assert.equal(asked.length, 5);
  using second = new NarInfoMemory(path, () => now);
  assert.notEqual(second.get(url, A.hashPart), undefined);
  using none = new NarInfoMemory("/etc/passwd/answers.sqlite", () => now);
  assert.equal(none.get(url, A.hashPart), undefined);
});

test("what was remembered and is not so any more is forgotten", async (t) => {
  using memory = new NarInfoMemory(join(tempDir(t), "answers.sqlite"), Date.now);
  const files = await publishedFiles(t, [A]);
  const { url } = await serveFiles(t, files);
  using opened = openNixCache(url, { memory, ...IMPATIENT });
  assert.ok(await opened.cache.offer(A.hashPart));
  files.clear();
  await assert.rejects(
    bring([A], [{ label: url, priority: async () => 1, offer: (part) => opened.cache.offer(part) }]),
  );
  assert.equal(memory.get(url, A.hashPart), undefined);
});

test("an answer that makes no sense is not remembered", async (t) => {
  using memory = new NarInfoMemory(join(tempDir(t), "answers.sqlite"), Date.now);
  const good = await publishedFiles(t, [A]);
  for (const change of [
    (text: string) => text.replace(/^NarSize: .*/m, "NarSize: many"),
    (text: string) => text.replace(/^StorePath: .*/m, `StorePath: ${D.absolute()}`),
  ]) {
    const files = edit(good, narInfoName(), change);
    const { url } = await serveFiles(t, files);
    using opened = openNixCache(url, { memory });
    await assert.rejects(opened.cache.offer(A.hashPart));
    files.set(narInfoName(), good.get(narInfoName()) as Uint8Array);
    assert.ok(await opened.cache.offer(A.hashPart));
  }
});

test("netrc files are read as curl reads them", () => {
  const netrc = new Netrc(`
# machine no.example login no password no
machine a.example login me password "two words"
macdef init
machine evil.example login x password y

machine B.example
  password w
  login you
machine a.example login other password other
default login anonymous password mail`);
  assert.deepEqual(netrc.for("a.example"), { login: "me", password: "two words" });
  assert.deepEqual(netrc.for("b.EXAMPLE"), { login: "you", password: "w" });
  assert.deepEqual(netrc.for("evil.example"), { login: "anonymous", password: "mail" });
  assert.equal(new Netrc("machine").for("x"), undefined);
});
