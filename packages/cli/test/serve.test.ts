/*
`firn serve` as others meet it: copies over TCP, TLS and unix sockets, tokens, what is refused, and how it ends. Commands run in this process, each in a session of its
own.
*/

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, request as requestPlain } from "node:http";
import { request } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Peer, RemoteBuilds } from "@firn/protocol";
import { GrpcChannel } from "@firn/protocol/node";
import { Place, serve } from "./place.ts";

const FIXTURES = join(import.meta.dirname, "fixtures");
const CERT = join(FIXTURES, "localhost-cert.pem");
const TLS = ["--tls-cert", CERT, "--tls-key", join(FIXTURES, "localhost-key.pem")];
const READ = "r".repeat(20);
const WRITE = "w".repeat(20);

test("paths come from a server and go to it, over TCP and a unix socket", async (t) => {
  const [near, far] = [new Place(t), new Place(t)];
  const [theirs, ours] = [await far.add("theirs"), await near.add("ours")];
  const { url, stop } = await serve(t, far);
  const from = await near.run(["store", "copy", "--from", `grpc+${url}`, theirs]);
  assert.equal(from.code, 0, from.err);
  assert.ok(await near.has(theirs));
  assert.equal((await stop()).code, 0);
  const socket = join(far.directory, "socket");
  const onSocket = await serve(t, far, ["--listen", `unix:${socket}`]);
  const to = await near.run(["store", "copy", "--to", `grpc+unix:${socket}`, ours]);
  assert.equal(to.code, 0, to.err);
  await onSocket.stop();
  assert.ok(await far.has(ours));
});

test("one port answers a binary cache, health and metrics", async (t) => {
  const far = new Place(t);
  const path = await far.add("tree");
  const { url } = await serve(t, far);
  const narInfo = await fetch(`${url}/${path.slice("/nix/store/".length).slice(0, 32)}.narinfo`);
  assert.match(await narInfo.text(), new RegExp(`^StorePath: ${path}\n`));
  assert.equal(await (await fetch(`${url}/health`)).text(), "ok\n");
  assert.equal((await fetch(`${url}/nothing`)).status, 404);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /firn_request_seconds_count\{protocol="http",method="GET",code="200"\} 1\n/);
});

test("web files are for everybody, what comes from the store is not, and its addresses come first", async (t) => {
  const far = new Place(t);
  const path = await far.add("theirs");
  const web = join(far.directory, "site");
  mkdirSync(join(web, "nar"), { recursive: true });
  mkdirSync(join(web, "castore"));
  for (const name of ["index.html", "app.js", "nix-cache-info", "health", "metrics", "nar/a.txt", "castore/a.txt"])
    writeFileSync(join(web, name), `the file ${name}`);
  const tokens = join(far.directory, "tokens");
  writeFileSync(tokens, `read ${READ}\n`);
  const { url } = await serve(t, far, ["--tokens", tokens, "--web", "site"]);
  const ask = async (place: string, headers: Record<string, string> = {}, method = "GET") => {
    const response = await fetch(`${url}${place}`, { headers, method });
    assert.equal(response.headers.get("x-content-type-options"), place === "/health" ? null : "nosniff");
    return `${response.status} ${(await response.text()).split("\n", 1)[0]}`;
  };
  assert.equal(await ask("/"), "200 the file index.html");
  assert.equal(await ask("/builds/17"), "200 the file index.html");
  assert.equal(await ask("/app.js"), "200 the file app.js");
  assert.equal(await ask("/none.js"), "404 there is nothing here");
  assert.match(await ask("/app.js", {}, "PUT"), /^405 /);
  assert.equal(await ask("/health"), "200 ok");
  const narInfo = `/${path.slice("/nix/store/".length).slice(0, 32)}.narinfo`;
  const ofStore = ["/nix-cache-info", "/metrics", narInfo, "/nar/a.txt", "/castore/a.txt", "/log/x", "/realisations/x"];
  for (const place of ofStore) assert.match(await ask(place), /^401 /, place);
  const authorization = `Bearer ${READ}`;
  assert.equal(await ask(narInfo, { authorization }), `200 StorePath: ${path}`);
  assert.match(await ask("/nix-cache-info", { authorization }), /^200 StoreDir/);
  for (const place of ["/nar/a.txt", "/castore/a.txt"])
    assert.match(await ask(place, { authorization }), /^404 /, place);
  const failed = await far.run(["serve", "--web", "nowhere", "--listen", "127.0.0.1:0"]);
  assert.equal(failed.code, 1);
  assert.match(failed.err, /^error: web files are those of a directory, which .*nowhere is not$/);
});

test("with tokens, one to read does not write, and none does nothing", async (t) => {
  const [near, far] = [new Place(t), new Place(t)];
  const [theirs, ours] = [await far.add("theirs"), await near.add("ours")];
  const tokens = join(far.directory, "tokens");
  writeFileSync(tokens, `# of a test\nread ${READ}\nwrite ${WRITE}\n`);
  const { url } = await serve(t, far, ["--tokens", tokens]);
  for (const [name, token] of Object.entries({ read: READ, write: WRITE, wrong: "x".repeat(20) }))
    writeFileSync(join(near.directory, name), `${token}\n`);
  const copy = (direction: string, path: string, token: string) =>
    near.run(["store", "copy", direction, `grpc+${url}?token_file=${token}`, path]);
  assert.match(
    (await copy("--from", theirs, "wrong")).err,
    /^error: grpc\+http:\S+: this token is not known here \(token_file=/,
  );
  assert.match(
    (await near.run(["store", "copy", "--from", `grpc+${url}`, theirs])).err,
    /^error: grpc\+http:\S+: a token is needed/,
  );
  assert.equal((await copy("--from", theirs, "read")).code, 0);
  assert.match((await copy("--to", ours, "read")).err, /this token is for 'read'/);
  assert.equal((await copy("--to", ours, "write")).code, 0);

  const statusOf = async (headers: Record<string, string>, method = "GET") =>
    (await fetch(`${url}/nix-cache-info`, { headers, method })).status;
  const basic = (token: string) => ({ authorization: `Basic ${Buffer.from(`any:${token}`).toString("base64")}` });
  assert.equal(await statusOf({}), 401);
  assert.equal(await statusOf({ authorization: `Bearer ${READ}` }), 200);
  assert.equal(await statusOf(basic(READ)), 200);
  assert.equal(await statusOf(basic(READ), "PUT"), 403);
  assert.equal((await fetch(`${url}/metrics`)).status, 401);
  assert.equal((await fetch(`${url}/health`)).status, 200);
});

test("who has a token for it looks after roots and garbage of a server", async (t) => {
  const [near, far] = [new Place(t), new Place(t)];
  const [kept, gone] = [await far.add("kept"), await far.add("gone")];
  const tokens = { read: READ, write: WRITE, admin: "a".repeat(20) };
  const lines = Object.entries(tokens).map((line) => line.join(" "));
  writeFileSync(join(far.directory, "tokens"), lines.join("\n"));
  for (const [name, token] of Object.entries(tokens)) writeFileSync(join(near.directory, name), token);
  const { url } = await serve(t, far, ["--tokens", join(far.directory, "tokens")]);
  const run = (token: string, ...words: string[]) =>
    near.run(["store", ...words, "--store", `grpc+${url}?token_file=${token}`]);

  assert.match((await run("read", "roots")).err, /'write' is needed/);
  assert.equal((await run("write", "roots", "add", "tool", kept)).code, 0);
  assert.match((await run("write", "roots", "add", "none", kept.replace("kept", "else"))).err, /is not in the store/);
  assert.equal((await run("write", "roots")).out, `tool -> ${kept}\n`);
  assert.deepEqual(JSON.parse((await run("write", "roots", "--json")).out), [{ name: "tool", path: kept }]);
  for (const words of [["gc"], ["roots", "remove", "tool"]])
    assert.match((await run("write", ...words)).err, /'admin' is needed/);

  assert.equal((await run("admin", "gc", "--dry-run")).out, `${gone}\n`);
  assert.deepEqual([await far.has(kept), await far.has(gone)], [true, true]);
  const collected = await run("admin", "gc", "--json");
  assert.deepEqual(JSON.parse(collected.out).deadPaths, [gone], collected.err);
  assert.deepEqual([await far.has(kept), await far.has(gone)], [true, false]);
  assert.match((await run("admin", "roots", "remove", "other")).err, /there is no root 'other'/);
  assert.equal((await run("admin", "roots", "remove", "tool")).code, 0);
  assert.match((await run("admin", "gc")).out, /^1 store path deleted/);

  assert.match((await run("admin", "gc", "--older-than", "1d")).err, /--older-than is for profiles of this machine/);
  assert.match((await near.run(["store", "gc", "--store", "memory:"])).err, /memory: keeps no roots/);
});

test("over TLS the same port speaks HTTP/1.1 and HTTP/2", async (t) => {
  const [near, far] = [new Place(t), new Place(t)];
  const path = await far.add("tree");
  const { url } = await serve(t, far, TLS);
  assert.match(url, /^https:/);
  const copied = await near.run(["store", "copy", "--from", `grpc+${url}?ca_file=${CERT}`, path]);
  assert.equal(copied.code, 0, copied.err);
  const status = await new Promise((resolve, reject) => {
    request(`${url}/nix-cache-info`, { ca: readFileSync(CERT), agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
  assert.equal(status, 200);
  const unknown = await near.run(["store", "copy", "--from", `grpc+${url}`, "--all"]);
  assert.match(unknown.err, /self-signed certificate/);
});

test("pages of the web do not get at a server without tokens", async (t) => {
  const { url } = await serve(t, new Place(t));
  const { hostname, port } = new URL(url);
  const statusOf = (headers: Record<string, string>, method = "GET", path = "/nix-cache-info") =>
    new Promise<number | undefined>((resolve, reject) => {
      const asked = requestPlain({ hostname, port, method, path, headers, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on("error", reject).end();
    });
  assert.equal(await statusOf({ host: `localhost:${port}` }), 200);
  assert.equal(await statusOf({ host: `127.0.0.1:${port}`, origin: `http://localhost:${port}` }), 200);
  assert.equal(await statusOf({ host: "rebound.example.org" }), 403);
  assert.equal(
    await statusOf({ host: `127.0.0.1:${port}`, origin: "https://example.org" }, "POST", "/castore/blobs"),
    403,
  );
  assert.equal(await statusOf({ host: `127.0.0.1:${port}`, origin: "null" }), 403);
});

test("a server that takes nothing in says so", async (t) => {
  const [near, far] = [new Place(t), new Place(t)];
  const path = await near.add("tree");
  const { url } = await serve(t, far, ["--read-only"]);
  const { code, err } = await near.run(["store", "copy", "--to", `grpc+${url}`, path]);
  assert.equal(code, 1);
  assert.match(err, /takes nothing in/);
});

test("what others could reach without tokens and TLS is refused, and so is what cannot be meant", async (t) => {
  const firn = new Place(t);
  const bad = join(firn.directory, "tokens");
  writeFileSync(bad, "read short\n");
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["--listen", "0.0.0.0:0"], 2, /others than this machine can reach/],
    [["--listen", "0.0.0.0:0", "--tokens", bad], 2, /others than this machine can reach/],
    [["--listen", "0.0.0.0:0", ...TLS], 2, /others than this machine can reach/],
    [["--listen", "somewhere"], 2, /no address to listen on/],
    [["--listen", "127.0.0.1:70000"], 2, /no address to listen on/],
    [["--tls-cert", CERT], 2, /go together/],
    [["--tokens", bad], 1, /line 1: a token has/],
    [["--tokens", "nothing"], 1, /cannot read nothing/],
    [["--grace", "soon"], 2, /--grace takes a number/],
  ];
  for (const [args, code, message] of cases) {
    const ended = await firn.run(["serve", ...args]);
    assert.equal(ended.code, code, ended.err);
    assert.match(ended.err, message);
  }
});

test("a port that is taken is refused, and a server that is not there is said to be gone", async (t) => {
  const firn = new Place(t);
  const { url, stop } = await serve(t, firn);
  const taken = await firn.run(["serve", "--listen", new URL(url).host]);
  assert.match(taken.err, /something else listens there already/);
  await stop();
  const { code, err } = await firn.run(["store", "copy", "--from", `grpc+${url}`, "--all"]);
  assert.equal(code, 1);
  assert.match(err, /^error: grpc\+http:\S+: nothing listens there \(connect ECONNREFUSED \S+\)$/);
});

test("whoever names a wrong server hears what is wrong with it", async (t) => {
  const [near, far] = [new Place(t), new Place(t)];
  const path = await far.add("theirs");
  const absent = path.replace(/(.)-theirs$/, (_, last) => `${last === "0" ? "1" : "0"}-theirs`);
  const tokens = join(far.directory, "tokens");
  writeFileSync(tokens, `read ${READ}\n`);
  const [open, closed] = [await serve(t, far), await serve(t, far, ["--tokens", tokens])];
  const mail = createServer((socket) => socket.on("error", () => undefined).end("220 mail.example.org ESMTP\r\n"));
  await new Promise<void>((resolve) => mail.listen(0, "127.0.0.1", resolve));
  t.after(() => mail.close());
  const mailUrl = `http://127.0.0.1:${(mail.address() as AddressInfo).port}`;
  const cases: readonly [from: string, error: RegExp, path?: string][] = [
    [`grpc+${mailUrl}`, /^error: grpc\+http:\S+: what listens there speaks something else \(/],
    [`castore+${mailUrl}`, /^error: castore\+http:\S+: paths\/\w+: what listens there speaks something else \(/],
    [`grpc+${open.url.replace("http", "https")}`, /^error: grpc\+https:\S+: what listens there does not speak TLS \(/],
    [`grpc+unix:${join(far.directory, "none")}`, /^error: grpc\+unix:\S+: there is no such socket \(/],
    [`castore+${open.url}`, /^error: castore\+http:\S+ is no static store: it has no paths\/index/],
    [`castore+${closed.url}/castore`, /^error: castore\+http:\S+: a token is needed, or another one \(token_file=/],
    [
      `castore+${open.url}/castore`,
      /^error: cannot copy from castore\+http:\S+ to local:\S+: path .* is not registered/,
      absent,
    ],
    [`grpc+${open.url}`, /^error: cannot copy from grpc\+http:\S+ to local:\S+: no path with hash part/, absent],
  ];
  for (const [from, error, wanted = path] of cases) {
    const { code, err } = await near.run(["store", "copy", "--from", from, wanted]);
    assert.equal(code, 1, from);
    assert.match(err, error);
  }
});

test("a copy that breaks off keeps what came, and says so", async (t) => {
  const [near, far] = [new Place(t), new Place(t)];
  const tree = join(far.directory, "tree");
  mkdirSync(tree);
  for (let i = 0; i < 200; i++) writeFileSync(join(tree, `file-${i}`), `${i} `.repeat(1000));
  const path = (await far.run(["store", "add", tree])).out.trim();
  const { url } = await serve(t, far);
  // A line that breaks at the hundredth blob.
  let blobs = 0;
  let isBroken = true;
  const line = createHttpServer(async ({ url: address = "/", headers, method }, response) => {
    if (isBroken && address.startsWith("/castore/blobs/") && ++blobs > 100) return void response.destroy();
    const range: Record<string, string> = headers.range === undefined ? {} : { range: headers.range };
    const answer = await fetch(`${url}${address}`, { method, headers: range });
    const ofRange = answer.headers.get("content-range");
    const bytes = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, ofRange === null ? {} : { "content-range": ofRange }).end(bytes);
  });
  await new Promise<void>((resolve) => line.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    line.closeAllConnections();
    line.close();
  });
  const from = `castore+http://127.0.0.1:${(line.address() as AddressInfo).port}/castore`;
  const broken = await near.run(["store", "copy", "--from", from, path]);
  assert.equal(broken.code, 1);
  assert.match(broken.err, /^what came so far is kept: .*\nerror: castore\+http:\S+: blobs\/\S+: it hung up \(/);
  isBroken = false;
  const again = await near.run(["store", "copy", "--from", from, path]);
  const [, came] = /^copied 1 path to \S+: ([\d.]+) KiB came/.exec(again.err) ?? [];
  assert.ok(Number(came) < 670, `${came} KiB of 673`);
  assert.match((await near.run(["store", "copy", "--from", from, path])).err, /^local:\S+ has all of that already\n$/);
});

test("a store published as files, and a server's own files, are stores to copy from", async (t) => {
  const [near, far] = [new Place(t), new Place(t)];
  const path = await far.add("tree");
  const published = join(far.directory, "www");
  const { code, err } = await far.run(["store", "publish", published, path]);
  assert.equal(code, 0, err);
  assert.match(err, /published 1 path: \d+ new files/);
  assert.deepEqual(JSON.parse((await far.run(["store", "publish", "--json", published, "--all"])).out).published, []);
  const { url } = await serve(t, far);
  const copied = await near.run(["store", "copy", "--from", `castore+${url}/castore`, path]);
  assert.equal(copied.code, 0, copied.err);
  assert.ok(await near.has(path));
});

test("a server builds for others when it is told to", async (t) => {
  const far = new Place(t);
  const { url } = await serve(t, far, ["--builds", "1"]);
  const { hostname, port } = new URL(url);
  const peer = new Peer(new GrpcChannel({ kind: "tcp", host: hostname, port: Number(port), isSecure: false }));
  t.after(() => peer[Symbol.asyncDispose]());
  const builds = await RemoteBuilds.open(peer);
  assert.ok(builds.supports.systems.length > 0);
  assert.deepEqual((await builds.list()).attempts, []);
  const both = await far.run(["serve", "--read-only", "--builds", "1", "--listen", "127.0.0.1:0"]);
  assert.match(both.err, /--read-only takes no builds/);
});
