/* Calls that do not go as they should: a source that fails while it is sent, a server that has heard enough, a caller that does not read. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { test } from "node:test";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { concatBytes } from "@firn/base";
import { bytesOfDigest, Directory } from "@firn/castore";
import { GrpcChannel } from "@firn/protocol/node";
import { callClientStream } from "../src/rpc.ts";
import { BYTES_CODEC } from "../src/codec.ts";
import { CASTORE_METHODS, CONTENT_METHODS, PUT_BLOBS_REQUEST } from "../src/castore-methods.ts";
import { openServed } from "./served.ts";

test("of a source that fails nothing is taken for the whole", async (t) => {
  const served = await openServed();
  t.after(served.close);
  const failure = new Error("the disk is gone");
  const half = async function* () {
    yield Directory.EMPTY;
    throw failure;
  };
  const put = callClientStream(served.channel, CASTORE_METHODS.snix.putDirectories, half());
  await assert.rejects(put, (thrown) => thrown === failure);
  await served.store.blobs.put(new Uint8Array(1)); // the server had a turn
  assert.equal(await served.directories.has(Directory.EMPTY.digest), false);
});

test("a server that takes no more says why, however much is left to send", async (t) => {
  const served = await openServed();
  t.after(served.close);
  let sent = 0;
  const endless = function* () {
    yield PUT_BLOBS_REQUEST.make({ part: { case: "end", value: new Uint8Array(32) } });
    for (; sent < 100_000; sent++)
      yield PUT_BLOBS_REQUEST.make({ part: { case: "data", value: new Uint8Array(4096) } });
  };
  const put = callClientStream(served.channel, CONTENT_METHODS.putBlobs, endless());
  await assert.rejects(put, { code: "data-loss" });
  assert.ok(sent < 100_000);
});

test("a connection that is closed while it is being made ends its calls, and nothing else", async (t) => {
  const served = await openServed();
  t.after(served.close);
  for (let turns = 0; turns < 20; turns++) {
    const port = served.server.port as number;
    const channel = new GrpcChannel({ kind: "tcp", host: "127.0.0.1", port, isSecure: false });
    const answer = channel.call(CASTORE_METHODS.snix.stat.path).receive();
    for (let i = 0; i < turns; i++) await turn();
    await Promise.all([channel[Symbol.asyncDispose](), assert.rejects(answer, { code: "unavailable" })]);
  }
});

test("a caller that does not read is waited for without a turn of the event loop", async (t) => {
  const served = await openServed();
  t.after(served.close);
  const digest = await served.store.blobs.put(new Uint8Array(64 << 20));
  const asked = concatBytes(BYTES_CODEC.encode(bytesOfDigest(digest)));
  const frame = concatBytes([Uint8Array.of(0, 0, 0, 0, asked.length), asked]);
  const headers = { "content-type": "application/connect+proto", "connect-protocol-version": "1" };
  const call = request(`${served.server.url}${CASTORE_METHODS.snix.read.path}`, { method: "POST", headers });
  call.end(frame);
  const [response] = (await once(call, "response")) as [IncomingMessage];
  await once(response, "readable"); // paused from here on
  await sleep(200);
  const turns = t.mock.method(globalThis, "setImmediate");
  await sleep(100);
  assert.ok(turns.mock.callCount() < 10, `${turns.mock.callCount()} turns`);
  turns.mock.restore();
  let bytes = 0;
  for await (const piece of response) bytes += piece.length;
  assert.ok(bytes > 64 << 20);
});
