/* The binary cache asked by hand: what it refuses, and how it answers what only some clients ask. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { concatBytes } from "@firn/base";
import { digestOf } from "@firn/castore";
import { createHasher, toNixBase32 } from "@firn/hash";
import {
  generateSecretKey,
  type HashedRealisation,
  hashedRealisationFingerprint,
  hashMaskedDerivationModulo,
  type NarInfo,
  parseDerivation,
  parseNarInfo,
  printHashedRealisation,
  printNarInfo,
  StorePath,
} from "@firn/nix-compat";
import {
  calculateNar,
  MemoryRealisations,
  narInfoOf,
  parseBuildTraceEntry,
  type PathInfo,
  printCastoreNarPath,
  renderNar,
  signPathInfo,
  type StoreServices,
  TrustedKeys,
} from "@firn/store";
import { chainStore, fileNode, memoryStore, pathOf, register, treeNode } from "../../store/test/small-store.ts";
import { serve, type Served } from "./served.ts";

const sha256 = (bytes: Uint8Array): Uint8Array => createHasher("sha256").update(bytes).digest();

const put = (url: string, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: "PUT", body: body as string, headers });

/** A path of a chain store with its NAR, as an uploader has it. */
async function upload(
  letter: string,
): Promise<{ readonly narInfo: NarInfo; readonly nar: Uint8Array; readonly url: string }> {
  const store = await chainStore();
  const info = await store.pathInfos.get(pathOf(letter).hashPart);
  assert.ok(info);
  const nar = concatBytes(await Array.fromAsync(renderNar(info.node, store)));
  const url = `nar/${toNixBase32(sha256(nar))}.nar`;
  return { narInfo: narInfoOf(info, { url, compression: "none" }), nar, url };
}

async function registered(store: StoreServices): Promise<string[]> {
  return (await Array.fromAsync(store.pathInfos.list())).map(({ path }) => path.name).sort();
}

const putInfo = ({ url }: Served, narInfo: NarInfo): Promise<Response> =>
  put(`${url}/${narInfo.path.hashPart}.narinfo`, Buffer.from(printNarInfo(narInfo), "latin1"));

test("a path is there once its NAR and then its narinfo came", async (t) => {
  const served = await serve(t);
  const { narInfo, nar, url } = await upload("a");
  assert.equal((await fetch(`${served.url}/${url}`, { method: "HEAD" })).status, 404);
  assert.equal((await putInfo(served, narInfo)).status, 404);
  assert.equal((await put(`${served.url}/${url}`, nar)).status, 200);
  assert.equal((await fetch(`${served.url}/${url}`, { method: "HEAD" })).status, 200);
  assert.equal((await fetch(`${served.url}/${narInfo.path.hashPart}.narinfo`)).status, 404);
  assert.equal((await putInfo(served, narInfo)).status, 200);
  assert.equal((await fetch(`${served.url}/${narInfo.path.hashPart}.narinfo`)).status, 200);
  assert.deepEqual(await registered(served.store), ["name-a"]);
});

test("a narinfo is refused that says of its NAR what is not so, and nothing is registered", async (t) => {
  const served = await serve(t);
  const { narInfo, nar, url } = await upload("a");
  await put(`${served.url}/${url}`, nar);
  const other = new Uint8Array(32).fill(1);
  const wrong: Readonly<Record<string, Partial<NarInfo>>> = {
    "NAR hash": { narSha256: other },
    "NAR size": { narSize: narInfo.narSize + 8 },
    "file hash": { fileHash: { algorithm: "sha256", bytes: other } },
    "file size": { fileSize: 7 },
    "references that are not here": { references: [pathOf("b")] },
    "content address": { contentAddress: { method: "nar", hash: { algorithm: "sha256", bytes: other } } },
    "a NAR that did not come": { url: "nar/elsewhere.nar" },
    "a way out of the cache": { url: `nar/../${url}` },
  };
  for (const [what, fields] of Object.entries(wrong)) {
    const { status } = await putInfo(served, { ...narInfo, ...fields });
    assert.ok(status === 400 || status === 404, `${what}: ${status}`);
    assert.deepEqual(await registered(served.store), [], what);
  }
  const elsewhere = await put(`${served.url}/${pathOf("b").hashPart}.narinfo`, printNarInfo(narInfo));
  assert.equal(elsewhere.status, 400);
  const twice = await put(`${served.url}/${narInfo.path.hashPart}.narinfo`, `${printNarInfo(narInfo)}NarSize: 96\n`);
  assert.equal(twice.status, 400);
  const noSize = printNarInfo(narInfo).replace(/NarSize: .*/, "NarSize: 0");
  assert.equal((await put(`${served.url}/${narInfo.path.hashPart}.narinfo`, noSize)).status, 400);
  assert.deepEqual(await registered(served.store), []);
  assert.deepEqual(served.failures, []);
});

test("a path that is here already keeps its contents", async (t) => {
  const served = await serve(t);
  const { narInfo, nar, url } = await upload("a");
  await put(`${served.url}/${url}`, nar);
  await putInfo(served, narInfo);
  const b = await upload("b");
  await put(`${served.url}/${b.url}`, b.nar);
  const { status } = await putInfo(served, { ...b.narInfo, path: narInfo.path, references: [] });
  assert.equal(status, 409);
});

test("signatures: one by a trusted key lets a path in; none, another key's and one over other fields do not", async (t) => {
  const [key, stranger] = [await generateSecretKey("k-1"), await generateSecretKey("k-1")];
  const source = await chainStore();
  const info = await source.pathInfos.get(pathOf("a").hashPart);
  assert.ok(info);
  const { nar, url } = await upload("a");
  const signedBy = async (secret: typeof key, over = info) => (await signPathInfo(over, [secret], ["nix"])).signatures;
  const cases: readonly (readonly [number, NarInfo["signatures"]])[] = [
    [403, []],
    [403, await signedBy(stranger)],
    [403, await signedBy(key, { ...info, narSize: info.narSize + 1 })],
    [403, await signedBy(key, { ...info, narSha256: new Uint8Array(32) })],
    [403, await signedBy(key, { ...info, references: [pathOf("a")] })],
    [403, await signedBy(key, { ...info, path: new StorePath("a".repeat(32), "other") })],
    [200, await signedBy(key)],
  ];
  const served = await serve(t, { trusted: new TrustedKeys([key.publicKey]) });
  await put(`${served.url}/${url}`, nar);
  for (const [status, signatures] of cases) {
    const narInfo: NarInfo = narInfoOf({ ...info, signatures }, { url, compression: "none" });
    assert.equal((await putInfo(served, narInfo)).status, status);
    assert.deepEqual(await registered(served.store), status === 200 ? ["name-a"] : []);
  }
});

test("what is no NAR, or not the one its name says, is refused", async (t) => {
  const served = await serve(t, { narBytesMax: 20_000 });
  const { nar, url } = await upload("a");
  const sized = (bytes: Uint8Array) => `${served.url}/nar/${toNixBase32(sha256(bytes))}.nar`;
  const broken = new Uint8Array(nar);
  broken[20] ^= 1;
  const long = new Uint8Array(30_000);
  assert.equal((await put(`${served.url}/nar/../../etc/passwd`, nar)).status, 404);
  for (const [status, to, body] of [
    [400, `${served.url}/nar/x.nar`, nar],
    [400, `${served.url}/${url}`, broken],
    [400, sized(broken), broken],
    [400, sized(nar.subarray(0, 300)), nar.subarray(0, 300)],
    [413, sized(long), long],
    [400, `${served.url}/${url}.xz`, Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2, 3, 4)],
  ] as const) {
    assert.equal((await put(to, body)).status, status);
  }
  assert.equal((await put(`${served.url}/${url}`, nar, { "content-encoding": "lzip" })).status, 415);
  assert.deepEqual(served.failures, []);
});

test("a NAR that unpacks to more than may come is refused before it is all there", async (t) => {
  const { zstdCompressSync } = await import("node:zlib");
  const served = await serve(t, { narBytesMax: 1_000_000 });
  const head = (await upload("a")).nar;
  const bomb = zstdCompressSync(concatBytes([head.subarray(0, 100), new Uint8Array(200_000_000)]));
  const { status } = await put(`${served.url}/nar/${toNixBase32(sha256(bomb))}.nar.zst`, bomb);
  assert.ok(status === 413 || status === 400, String(status));
});

test("a cache that takes nothing in says so, and other methods are none", async (t) => {
  const served = await serve(t, { isWritable: false });
  const { narInfo, nar, url } = await upload("a");
  assert.equal((await put(`${served.url}/${url}`, nar)).status, 403);
  assert.equal((await putInfo(served, narInfo)).status, 403);
  assert.equal((await fetch(`${served.url}/${url}`, { method: "DELETE" })).status, 405);
  assert.equal((await put(`${served.url}/nix-cache-info`, "x")).status, 405);
  assert.equal((await fetch(`${served.url}/something/else`)).status, 404);
});

test("NARs come whole, in ranges, packed with zstd, or not at all when the client has them", async (t) => {
  const store = await chainStore();
  const served = await serve(t, store);
  const info = await store.pathInfos.get(pathOf("c").hashPart);
  assert.ok(info);
  const nar = concatBytes(await Array.fromAsync(renderNar(info.node, store)));
  const page = parseNarInfo(await (await fetch(`${served.url}/${pathOf("c").hashPart}.narinfo`)).text());
  assert.equal(page.url, printCastoreNarPath(info));
  const ask = (headers: Record<string, string>, method = "GET") =>
    fetch(`${served.url}/${page.url}`, { method, headers: { "accept-encoding": "identity", ...headers } });
  const whole = await ask({});
  const etag = whole.headers.get("etag") as string;
  assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), nar);
  assert.equal(whole.headers.get("content-length"), String(nar.length));
  for (const [range, from, to] of [
    ["bytes=0-9", 0, 10],
    ["bytes=5000-", 5000, nar.length],
    ["bytes=-100", nar.length - 100, nar.length],
    [`bytes=100-${nar.length * 2}`, 100, nar.length],
  ] as const) {
    const part = await ask({ range, "if-range": etag });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), `bytes ${from}-${to - 1}/${nar.length}`);
    assert.deepEqual(new Uint8Array(await part.arrayBuffer()), nar.subarray(from, to));
  }
  assert.equal((await ask({ range: `bytes=${nar.length}-` })).status, 416);
  assert.equal((await ask({ range: "bytes=0-9", "if-range": '"other"' })).status, 200);
  assert.equal((await ask({ "if-none-match": etag })).status, 304);
  const head = await ask({}, "HEAD");
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, String(nar.length)]);
  const { request } = await import("node:http");
  const packed = await new Promise<Buffer>((resolve, reject) => {
    const asked = request(`${served.url}/${page.url}`, { headers: { "accept-encoding": "gzip, zstd" } }, (response) => {
      assert.equal(response.headers["content-encoding"], "zstd");
      void Array.fromAsync(response as AsyncIterable<Buffer>).then((parts) => resolve(Buffer.concat(parts)), reject);
    });
    asked.on("error", reject).end();
  });
  assert.deepEqual(new Uint8Array(zstdDecompressSync(packed)), nar);
  assert.deepEqual(served.failures, []);
});

test("Tvix' address of a NAR is understood; other sizes, other contents and nonsense are not served", async (t) => {
  const store = await chainStore();
  const served = await serve(t, store);
  const info = await store.pathInfos.get(pathOf("b").hashPart);
  assert.ok(info);
  const path = printCastoreNarPath(info) as string;
  assert.equal((await fetch(`${served.url}/${path.replace("snix", "tvix")}`)).status, 200);
  await assert.rejects(async () => (await fetch(`${served.url}/${path}8`)).arrayBuffer());
  const { status } = await fetch(`${served.url}/${path.replace(/narsize=.*/, "narsize=96")}`).catch(() => ({
    status: 0,
  }));
  assert.notEqual(status, 206);
  const ranged = await fetch(`${served.url}/${path.replace(/narsize=.*/, "narsize=9600")}`, {
    headers: { range: "bytes=0-9" },
  });
  assert.equal(ranged.status, 400);
  const absent = printCastoreNarPath({
    node: { kind: "file", digest: digestOf(Uint8Array.of(9)), size: 1, executable: false },
    narSize: 120,
  });
  assert.equal((await fetch(`${served.url}/${absent}`)).status, 404);
  for (const nonsense of [
    "nar/snix-castore/AAAA?narsize=9",
    "nar/snix-castore/?narsize=9",
    path.split("?")[0],
    "nar/snix-castore/%2e",
  ])
    assert.equal((await fetch(`${served.url}/${nonsense}`)).status, 404);
});

test("the address of a NAR is the one that Snix computes", () => {
  const symlink = { kind: "symlink", target: "/nix/store/somewhereelse" } as const;
  assert.equal(
    printCastoreNarPath({ node: symlink, narSize: 136 }),
    "nar/snix-castore/GhoSGC9uaXgvc3RvcmUvc29tZXdoZXJlZWxzZQ?narsize=136",
  );
});

test("a realisation comes in after its path, and is not served when the path is gone", async (t) => {
  const served = await serve(t);
  const name = `${"b".repeat(32)}-x.drv`;
  const entry = JSON.stringify({ outPath: pathOf("a").toString(), signatures: [] });
  const url = `${served.url}/build-trace-v2/${name}/out.doi`;
  assert.equal((await fetch(url)).status, 404);
  assert.equal((await put(url, entry)).status, 400);
  const { narInfo, nar, url: narUrl } = await upload("a");
  await put(`${served.url}/${narUrl}`, nar);
  await putInfo(served, narInfo);
  assert.equal((await put(url, entry)).status, 200);
  assert.equal(await (await fetch(url)).text(), entry);
  assert.equal((await put(url, "{")).status, 400);
  assert.equal((await put(`${served.url}/build-trace-v2/${name}/..%2fout.doi`, entry)).status, 405);
});

test("realisations of older clients come in after path and derivation, signed where that is asked for", async (t) => {
  const key = await generateSecretKey("k-1");
  const store = await chainStore();
  const text = 'Derive([("out","","r:sha256","")],[],[],"x86_64-linux","/bin/sh",[],[("name","x"),("out","")])';
  const drvPath = new StorePath("g".repeat(32), "x.drv");
  const node = await fileNode(store, text);
  const nar = await calculateNar(node, store);
  const drv: PathInfo = { path: drvPath, node, ...nar, references: [], signatures: [], registeredAt: 1 };
  const name = `sha256:${hashMaskedDerivationModulo(parseDerivation(text, "x"), assert.fail).hex}!out`;
  const realisations = new MemoryRealisations();
  const open = await serve(t, { ...store, realisations });
  const strict = await serve(t, { ...store, realisations, trusted: new TrustedKeys([key.publicKey]) });
  const said = { name, path: pathOf("a"), dependents: { [name]: `${pathOf("b")}` } };
  const signatures = [await key.sign(hashedRealisationFingerprint(said))];
  const bring = async ({ url }: Served, more: Partial<HashedRealisation>, at = name) =>
    (await put(`${url}/realisations/${at}.doi`, printHashedRealisation({ ...said, signatures: [], ...more }))).status;

  assert.equal(await bring(open, {}), 400, "no derivation is called so");
  await store.pathInfos.put([drv]);
  assert.equal(await bring(open, { path: pathOf("f") }), 400, "the path is not here");
  assert.equal(await bring(open, { name: name.replace("!out", "!doc") }), 400, "another output's");
  assert.equal(await bring(open, {}, name.replace("!out", "!..%2fout")), 405);
  assert.equal((await put(`${open.url}/realisations/${name}.doi`, "{")).status, 400);
  assert.equal(await bring(strict, {}), 403);
  assert.equal(await bring(strict, { path: pathOf("c"), signatures }), 403);
  assert.equal(await realisations.get(drvPath, "out"), undefined);
  assert.equal(await bring(strict, { signatures }), 200);
  assert.deepEqual((await realisations.get(drvPath, "out"))?.path, pathOf("a"));
  assert.equal(await bring(open, { path: pathOf("c") }), 200);
  const { outPath } = (await (await fetch(`${open.url}/realisations/${name}.doi`)).json()) as { outPath: string };
  assert.equal(outPath, `${pathOf("c")}`);

  const trace = JSON.stringify({ outPath: pathOf("b").toString(), signatures: [] });
  assert.equal((await put(`${strict.url}/build-trace-v2/${drvPath}/out.doi`, trace)).status, 403);
});

test("whatever is asked or brought, the answer is one to the client and never a failure here", async (t) => {
  const store = await chainStore();
  const served = await serve(t, store);
  const { narInfo, nar, url } = await upload("a");
  const names = [
    `${narInfo.path.hashPart}.narinfo`,
    `${"z".repeat(32)}.narinfo`,
    `${narInfo.path.hashPart}.ls`,
    url,
    `${url}.xz`,
    `${printCastoreNarPath((await store.pathInfos.get(pathOf("c").hashPart)) as PathInfo)}`,
    `log/${"a".repeat(32)}-x.drv`,
    `build-trace-v2/${"a".repeat(32)}-x.drv/out.doi`,
    `debuginfo/${"0".repeat(40)}.debug`,
    `realisations/sha256:${"0".repeat(64)}!out.doi`,
    "nix-cache-info",
  ];
  const bodies = [Buffer.from(printNarInfo(narInfo), "latin1"), Buffer.from(nar), Buffer.from("{}")];
  const request = fc.record({
    method: fc.constantFrom("GET", "HEAD", "PUT", "PUT", "POST"),
    name: fc.oneof(
      fc.constantFrom(...names),
      fc.webPath(),
      fc.string().map((text) => encodeURIComponent(text)),
    ),
    cut: fc.nat({ max: 2000 }),
    flip: fc.nat({ max: 2000 }),
    body: fc.constantFrom(...bodies),
    range: fc.option(fc.string({ unit: fc.constantFrom(..."bytes=-0123456789,") }), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(request, async ({ method, name, cut, flip, body, range }) => {
      const bytes = Buffer.from(body.subarray(0, body.length - (cut % body.length)));
      if (bytes.length > 0) bytes[flip % bytes.length] ^= 1 << (flip % 8);
      const response = await fetch(`${served.url}/${name.replace(/^\/+/, "")}`, {
        method,
        headers: range === undefined ? {} : { range },
        ...(method === "PUT" || method === "POST" ? { body: bytes } : {}),
      });
      await response.arrayBuffer();
      assert.ok(response.status < 500, `${method} ${name}: ${response.status}`);
    }),
    { numRuns: 400 },
  );
  assert.deepEqual(served.failures, []);
});

test("realisations are signed as they are served", async (t) => {
  const key = await generateSecretKey("k-1");
  const store = await chainStore();
  const realisations = new MemoryRealisations();
  const served = await serve(t, { ...store, realisations, keys: [key] });
  const drvPath = new StorePath("b".repeat(32), "x.drv");
  await realisations.put([{ drvPath, output: "out", path: pathOf("a"), signatures: [] }]);
  const text = await (await fetch(`${served.url}/build-trace-v2/${drvPath}/out.doi`)).text();
  const found = parseBuildTraceEntry(text, drvPath, "out");
  assert.ok(await new TrustedKeys([key.publicKey]).vouchFor(found));
  assert.ok(!(await new TrustedKeys([key.publicKey]).vouchFor({ ...found, path: pathOf("b") })));
  assert.ok(!(await new TrustedKeys([(await generateSecretKey("k-1")).publicKey]).vouchFor(found)));
});

test("debug information of what came later is found, and of what is gone is not", async (t) => {
  const store = memoryStore();
  let now = 0;
  const gone = new Set<string>();
  const get = async (hashPart: string) => (gone.has(hashPart) ? undefined : await store.pathInfos.get(hashPart));
  const pathInfos = { get, list: () => store.pathInfos.list() } as StoreServices["pathInfos"];
  const { url } = await serve(t, { ...store, pathInfos, now: () => now });
  const buildId = `ab${"0".repeat(38)}`;
  const node = await treeNode(store, {
    lib: { debug: { ".build-id": { ab: { [`${"0".repeat(38)}.debug`]: "text" } } } },
  });
  const find = async () => (await fetch(`${url}/debuginfo/${buildId}.debug`)).status;
  assert.equal(await find(), 404);
  await register(store, "a", node);
  assert.equal(await find(), 404);
  now += 10_000;
  assert.equal(await find(), 200);
  await register(store, "b", node);
  now += 10_000;
  gone.add(pathOf("a").hashPart);
  assert.equal(await find(), 200);
  gone.add(pathOf("b").hashPart);
  assert.equal(await find(), 404);
});

test("a store that breaks is not blamed on the client, and its words stay here", async (t) => {
  const store = memoryStore();
  const broken = { ...store.pathInfos, get: () => Promise.reject(new Error("secret words")) } as never;
  const served = await serve(t, { pathInfos: broken });
  const response = await fetch(`${served.url}/${"a".repeat(32)}.narinfo`);
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secret/);
  assert.equal(served.failures.length, 1);
});
