/* A liar among three peers that a store is put together of, as its user meets it: what is copied is right, and who lied is said. */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Place, serve } from "./place.ts";

type Liar = { readonly url: string; readonly asked: string[] };

/** A server that passes on what an honest one says, but for one byte in everything whose address matches. */
async function liar(t: TestContext, honest: string, about: RegExp): Promise<Liar> {
  const asked: string[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const { url = "/", method } = request;
    asked.push(url);
    const { range } = request.headers;
    const answer = await fetch(`${honest}${url}`, { method, headers: range === undefined ? {} : { range } });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (about.test(url) && answer.ok && bytes.length > 0) bytes[bytes.length >> 1] ^= 1;
    const headers: Record<string, string> = { "content-length": String(bytes.length) };
    const ofRange = answer.headers.get("content-range");
    if (ofRange !== null) headers["content-range"] = ofRange;
    response.writeHead(answer.status, headers).end(method === "HEAD" ? undefined : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** A tree with a long file, in the place's store. */
async function tree(place: Place): Promise<{ readonly path: string; readonly bytes: Buffer }> {
  const bytes = Buffer.from(new Uint8Array(2_500_000).map((_, i) => 32 + ((i * 31 + (i >> 9)) % 90)));
  const directory = join(place.directory, "tree");
  mkdirSync(join(directory, "below"), { recursive: true });
  writeFileSync(join(directory, "long"), bytes);
  writeFileSync(join(directory, "below", "short"), "short");
  const { code, out, err } = await place.run(["store", "add", directory]);
  assert.equal(code, 0, err);
  return { path: out.trim(), bytes };
}

/** A composition of peers, the middle one by a name of its own; path infos are the first one's. */
function compose(place: Place, [first, middle, last]: readonly string[]): string {
  const file = join(place.directory, "peers.toml");
  const instances = ["blobservices", "directoryservices"].map(
    (kind) => `
[${kind}.root]
type = "peers"
sources = ["castore+${first}/castore", "mirror", "castore+${last}/castore"]
[${kind}.mirror]
type = "retry"
inner = "castore+${middle}/castore"
attempts = 2`,
  );
  writeFileSync(
    file,
    `${instances.join("\n")}\n[pathinfoservices]\nroot = { type = "castore", url = "${first}/castore" }\n`,
  );
  return file;
}

const LIES: Readonly<Record<string, RegExp>> = {
  blobs: /^\/castore\/(?:blobs|outboards)\//,
  directories: /^\/castore\/(?:trees|directories)\//,
  everything: /^\/castore\/(?!paths)/,
};

for (const [what, about] of Object.entries(LIES)) {
  test(`a copy from three peers of which one lies about ${what} is right, and names it once`, async (t) => {
    const [near, far] = [new Place(t), new Place(t)];
    const { path, bytes } = await tree(far);
    const honest = await serve(t, far);
    const lying = await liar(t, honest.url, about);
    // The first is asked first for directories.
    const [first, middle] = what === "blobs" ? [honest.url, lying.url] : [lying.url, honest.url];
    const file = compose(near, [first, middle, honest.url]);
    const { code, err } = await near.run(["store", "copy", "--from", file, path]);
    assert.equal(code, 0, err);
    const name =
      what === "blobs" ? `mirror (http://${new URL(lying.url).host}/castore)` : `castore+${lying.url}/castore`;
    const warnings = err.split("\n").filter((line) => line.startsWith("warning: "));
    assert.equal(warnings.length, 1, err);
    assert.ok(warnings[0].startsWith(`warning: ${name} sent what was not asked for, and is not asked any more: `), err);
    assert.ok((await near.run(["store", "cat", `${path}/long`])).out === bytes.toString("latin1"), "byte for byte");
  });
}

test("a server of such a store says who lied in its log and in its metrics", async (t) => {
  const [near, far] = [new Place(t), new Place(t)];
  const { path } = await tree(far);
  const honest = await serve(t, far);
  const lying = await liar(t, honest.url, LIES.blobs);
  const file = compose(near, [honest.url, honest.url, lying.url]);
  const { url, stop } = await serve(t, near, ["--store", file]);
  const lies = async () =>
    (await (await fetch(`${url}/metrics`)).text())
      .split("\n")
      .filter((line) => line.startsWith("firn_peer_lies_total"));
  assert.deepEqual(await lies(), []);
  const narInfo = await (await fetch(`${url}/${path.slice("/nix/store/".length).slice(0, 32)}.narinfo`)).text();
  const [, nar, size] = /^URL: (.*)\n(?:.*\n)*NarSize: (\d+)\n/m.exec(narInfo) ?? [];
  const askForNar = async () => (await (await fetch(`${url}/${nar}`)).arrayBuffer()).byteLength;
  assert.equal(await askForNar(), Number(size));
  const peer = `castore+${lying.url}/castore`;
  assert.deepEqual(await lies(), [`firn_peer_lies_total{peer="${peer}"} 1`]);
  const before = lying.asked.filter((address) => LIES.blobs.test(address)).length;
  assert.equal(await askForNar(), Number(size));
  assert.equal(lying.asked.filter((address) => LIES.blobs.test(address)).length, before, "it is not asked any more");
  const { err } = await stop();
  assert.equal(err.split("\n").filter((line) => line.startsWith(`warning: ${peer} sent what`)).length, 1, err);
});
