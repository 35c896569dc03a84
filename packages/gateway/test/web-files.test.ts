/* Files of a directory as browsers ask for them, and as somebody asks who wants to get out of it. Requests are made by hand: fetch tidies addresses. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { WebFiles } from "../src/index.ts";

const ignore = (): void => undefined;
const SECRET = "not for the web";
const SCRIPT = "console.log('of the page');\n".repeat(40);

type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };
type Site = {
  readonly port: number;
  readonly directory: string;
  readonly failures: unknown[];
  readonly get: (path: string, headers?: Record<string, string>, method?: string) => Promise<Answer>;
};

/** A directory with files, served, and a secret beside it. */
async function site(t: TestContext, files: Readonly<Record<string, string | Uint8Array>>): Promise<Site> {
  const top = mkdtempSync(join(tmpdir(), "firn-web-"));
  t.after(() => rmSync(top, { recursive: true, force: true }));
  const directory = join(top, "web");
  mkdirSync(directory);
  writeFileSync(join(top, "secret"), SECRET);
  for (const [name, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), contents);
  }
  const failures: unknown[] = [];
  const web = await WebFiles.open(directory, { report: (thrown) => void failures.push(thrown) });
  const server = createServer((asked, response) => web.handle(asked, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const get: Site["get"] = async (path, headers = {}, method = "GET") => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const sent = request({ port, host: "127.0.0.1", path, headers, method, agent: false }, async (response) => {
      const body = Buffer.concat(await Array.fromAsync(response as AsyncIterable<Buffer>));
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    });
    sent.on("error", reject).end();
    return await promise;
  };
  return { port, directory, failures, get };
}

test("files have the types of their names and are never guessed at", async (t) => {
  const types = {
    "page.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "style.CSS": "text/css; charset=utf-8",
    "logo.svg": "image/svg+xml",
    "code.wasm": "application/wasm",
    "font.woff2": "font/woff2",
    LICENSE: "application/octet-stream",
    "a.constructor": "application/octet-stream",
    "über uns.txt": "text/plain; charset=utf-8",
  };
  const { get } = await site(t, Object.fromEntries(Object.keys(types).map((name) => [name, `this is ${name}`])));
  for (const [name, type] of Object.entries(types)) {
    const { status, headers, body } = await get(`/${encodeURIComponent(name)}?query`);
    assert.equal(status, 200, name);
    assert.equal(headers["content-type"], type);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(body.toString(), `this is ${name}`);
  }
});

test("pages run scripts of their own place only, and stand in no frame", async (t) => {
  const { get } = await site(t, { "index.html": "hello" });
  for (const path of ["/", "/nothing.js"]) {
    const policy = String((await get(path)).headers["content-security-policy"]).split("; ");
    assert.ok(policy.includes("default-src 'self'"));
    assert.ok(policy.includes("frame-ancestors 'none'"));
    assert.doesNotMatch(policy.join(), /unsafe-inline|'unsafe-eval'|\*/);
  }
});

test("a directory is its index, below an address that ends in a slash", async (t) => {
  const { get } = await site(t, {
    "index.html": "top",
    "docs/index.html": "docs",
    "docs/a.txt": "a",
    "bare/a.txt": "",
  });
  assert.equal((await get("/")).body.toString(), "top");
  assert.equal((await get("/docs/")).body.toString(), "docs");
  const moved = await get("/docs?page=2");
  assert.equal(moved.status, 308);
  assert.equal(moved.headers.location, "/docs/?page=2");
  assert.equal((await get("//docs")).status, 404, "or the address would lead to another host");
  assert.equal((await get("/bare/")).body.toString(), "top", "nothing is listed");
});

test("addresses of the application are the top index, names of files that are not there are not", async (t) => {
  const { get } = await site(t, { "index.html": "top" });
  for (const path of ["/builds", "/builds/17/", "/v1.2/log"]) {
    const { status, body, headers } = await get(path);
    assert.equal(status, 200, path);
    assert.equal(body.toString(), "top");
    assert.equal(headers["cache-control"], "no-cache");
  }
  for (const path of ["/app.js", "/builds/app.js"]) assert.equal((await get(path)).status, 404, path);
  const { get: getBare } = await site(t, { "a.txt": "" });
  assert.equal((await getBare("/builds")).status, 404, "there is no application");
});

test("names with a hash are kept for ever, all others are asked for again", async (t) => {
  const hashed = ["app.3f2a9c1b.js", "app-3QWE4RTZ.js", "app.3f2a9c1b.js.map", "assets/i.0123456789abcdef.css"];
  const others = ["app.js", "app-settings.js", "report-20240101.txt", "app.3f2a.js", "deadbeef", "LICENSE-MIT.txt"];
  const { get } = await site(t, Object.fromEntries([...hashed, ...others].map((name) => [name, name])));
  for (const name of hashed) assert.match(String((await get(`/${name}`)).headers["cache-control"]), /immutable/, name);
  for (const name of others) assert.equal((await get(`/${name}`)).headers["cache-control"], "no-cache", name);
});

test("what the browser has is not sent again, until it is another", async (t) => {
  const { get, directory } = await site(t, { "app.js": SCRIPT });
  const { etag } = (await get("/app.js")).headers;
  assert.ok(etag);
  for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
    const again = await get("/app.js", { "if-none-match": tag });
    assert.equal(again.status, 304, tag);
    assert.equal(again.body.length, 0);
  }
  const other = SCRIPT.replace("page", "site");
  writeFileSync(join(directory, "app.js"), other);
  utimesSync(join(directory, "app.js"), 1, 1);
  const changed = await get("/app.js", { "if-none-match": etag });
  assert.equal(changed.status, 200, "of the same length, and with whatever time");
  assert.equal(changed.body.toString(), other);
});

test("ranges are ranges, of the file that was meant", async (t) => {
  const { get } = await site(t, { "app.js": SCRIPT, "app.js.gz": gzipSync(SCRIPT) });
  const { etag = "" } = (await get("/app.js")).headers;
  const ranges: readonly [string, number, string][] = [
    ["bytes=0-9", 206, SCRIPT.slice(0, 10)],
    ["bytes=-5", 206, SCRIPT.slice(-5)],
    ["bytes=1000-", 206, SCRIPT.slice(1000)],
    ["bytes=9-3", 200, SCRIPT],
    [`bytes=${SCRIPT.length}-`, 416, `there are ${SCRIPT.length} bytes\n`],
  ];
  for (const [range, status, text] of ranges) {
    const answer = await get("/app.js", { range, "accept-encoding": "gzip" });
    assert.equal(answer.status, status, range);
    assert.equal(answer.body.toString(), text);
  }
  assert.equal((await get("/app.js", { range: "bytes=0-1", "if-range": etag })).status, 206);
  assert.equal((await get("/app.js", { range: "bytes=0-1", "if-range": '"old"' })).body.toString(), SCRIPT);
});

test("a packed file beside it goes to those who unpack it, unless it is older", async (t) => {
  const [br, gz] = [brotliCompressSync(SCRIPT), gzipSync(SCRIPT)];
  const { get, directory } = await site(t, { "app.js": SCRIPT, "app.js.br": br, "app.js.gz": gz });
  const plain = await get("/app.js");
  const cases: readonly [string, string | undefined, Buffer][] = [
    ["gzip, deflate, br, zstd", "br", br],
    ["gzip", "gzip", gz],
    ["br;q=0, gzip;q=0.5", "gzip", gz],
    ["identity", undefined, Buffer.from(SCRIPT)],
  ];
  for (const [accepted, encoding, body] of cases) {
    const answer = await get("/app.js", { "accept-encoding": accepted });
    assert.equal(answer.headers["content-encoding"], encoding, accepted);
    assert.equal(answer.headers["content-type"], "text/javascript; charset=utf-8");
    assert.equal(answer.headers.vary, "accept-encoding");
    assert.deepEqual(answer.body, body);
    if (encoding !== undefined) assert.notEqual(answer.headers.etag, plain.headers.etag);
  }
  utimesSync(join(directory, "app.js.br"), 1, 1);
  assert.equal((await get("/app.js", { "accept-encoding": "br" })).body.toString(), SCRIPT);
});

test("HEAD tells all but the contents, and nothing is written", async (t) => {
  const { get } = await site(t, { "app.js": SCRIPT });
  const { status, headers, body } = await get("/app.js", {}, "HEAD");
  assert.equal(status, 200);
  assert.equal(Number(headers["content-length"]), SCRIPT.length);
  assert.equal(body.length, 0);
  for (const method of ["PUT", "POST", "DELETE"]) {
    const refused = await get("/app.js", {}, method);
    assert.equal(refused.status, 405);
    assert.equal(refused.headers.allow, "GET, HEAD");
  }
});

test("no address and no symlink leads out", async (t) => {
  const { get, directory, failures } = await site(t, {
    "a.txt": "a",
    "docs/b.txt": "b",
    ".git/config": SECRET,
    ".env": SECRET,
  });
  symlinkSync("../secret", join(directory, "out.txt"));
  symlinkSync("..", join(directory, "up"));
  symlinkSync("/", join(directory, "root"));
  symlinkSync("round.txt", join(directory, "round.txt"));
  symlinkSync("docs/b.txt", join(directory, "inside.txt"));
  // One whose name begins as the directory's.
  mkdirSync(`${directory}-more`);
  writeFileSync(join(`${directory}-more`, "secret"), SECRET);
  symlinkSync("../web-more/secret", join(directory, "beside.txt"));
  execFileSync("mkfifo", [join(directory, "pipe.txt")]);
  const ways = [
    "/../secret",
    "/docs/../../secret",
    "/%2e%2e/secret",
    "/.%2E/secret",
    "/..%2fsecret",
    "/docs%2f..%2f..%2fsecret",
    "/..%5csecret",
    "/out.txt",
    "/up/secret",
    "/root/etc/passwd",
    "/beside.txt",
    "/round.txt",
    "/pipe.txt",
    "/a.txt%00",
    "/a.txt%00.html",
    "/.git/config",
    "/.env",
    "/docs/.%2fb.txt",
    "//a.txt",
    "/docs//b.txt",
    "/a.txt/",
    "/a.txt/b.txt",
    `/${"long".repeat(100)}.txt`,
    `/${"d/".repeat(4000)}a.txt`,
    `http://127.0.0.1/../secret`,
  ];
  for (const path of ways) {
    const { status, body } = await get(path);
    assert.equal(status, 404, path);
    assert.doesNotMatch(body.toString(), /not for the web|root:/, path);
  }
  assert.equal((await get("/%ff")).status, 400);
  assert.equal((await get("/inside.txt")).body.toString(), "b");
  assert.deepEqual(failures, []);
});

test("whatever is asked for, what comes is a file of the directory", async (t) => {
  const { get, failures, directory } = await site(t, { "index.html": "top", "a/b.txt": "b" });
  symlinkSync("../..", join(directory, "a", "up"));
  const piece = fc.constantFrom(
    "..",
    ".",
    "a",
    "b.txt",
    "secret",
    "up",
    "%2e",
    "%2F",
    "%00",
    "%5c",
    "%",
    "?",
    "#",
    "",
    "web",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 7 }), fc.constantFrom("/", ""), async (pieces, between) => {
      const { status, body } = await get(`/${pieces.join(between)}`);
      assert.ok([200, 308, 400, 404].includes(status), String(status));
      assert.notEqual(body.toString(), SECRET);
      if (status === 200) assert.match(body.toString(), /^(?:top|b)$/);
    }),
    { numRuns: 150 },
  );
  assert.deepEqual(failures, []);
});

test("a file that becomes shorter while it is sent ends in a cut connection", async (t) => {
  const { port, directory } = await site(t, { "big.bin": "" });
  const file = join(directory, "big.bin");
  truncateSync(file, 64 << 20);
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    request({ port, path: "/big.bin", agent: false }, resolve).on("error", reject).end(),
  );
  // Nobody reads yet, so most of it waits here.
  truncateSync(file, 1000);
  await assert.rejects(Array.fromAsync(response), { code: "ECONNRESET" });
});

test("what is no directory is refused before anything is served", async () => {
  await assert.rejects(WebFiles.open("/nowhere/web", { report: ignore }), { code: "not-found" });
  await assert.rejects(WebFiles.open(import.meta.filename, { report: ignore }), { code: "not-found" });
});
