/* What comes over a wire is anybody's bytes: parsers answer with an error or the truth, and the server goes on. */

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Http2Stream } from "node:http2";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { concatBytes } from "@firn/base";
import { callUnary, ProtocolError } from "@firn/protocol";
import fc from "fast-check";
import { BYTES_CODEC } from "../src/codec.ts";
import { CASTORE_METHODS, STAT_BLOB_REQUEST } from "../src/castore-methods.ts";
import { unpackDigests } from "../src/digest-list.ts";
import { MessageReader } from "../src/node/message-stream.ts";
import { parseGrpcUrl } from "../src/node/grpc-url.ts";
import { fill, RPC_CASES } from "./rpc-cases.ts";
import { openServed } from "./served.ts";

/** What a reader uses of a stream. */
class FakeStream extends EventEmitter {
  paused = false;
  isPaused = () => this.paused;
  pause = () => {
    this.paused = true;
  };
  resume = () => {
    this.paused = false;
  };
}

function framed(messages: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    messages.flatMap((message) => {
      const head = new Uint8Array(5);
      new DataView(head.buffer).setUint32(1, message.length);
      return [head, message];
    }),
  );
}

test("messages come out as they went in, however the bytes are cut", async () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 });
  const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(messages, cuts, async (sent, lengths) => {
      const stream = new FakeStream();
      const reader = new MessageReader(stream as unknown as Http2Stream, 1000);
      const bytes = framed(sent);
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const length = lengths[i % lengths.length];
        stream.emit("data", bytes.slice(at, at + length));
        at += length;
      }
      reader.finish();
      const got: Uint8Array[] = [];
      for (let next = await reader.next(); next !== undefined; next = await reader.next()) got.push(next);
      assert.deepEqual(got, sent);
    }),
    { verbose: 1 },
  );
});

test("bytes that are no messages are an error or an end, and never more than the limit is kept", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }), async (pieces) => {
      const stream = new FakeStream();
      const reader = new MessageReader(stream as unknown as Http2Stream, 100);
      for (const piece of pieces) stream.emit("data", piece);
      reader.finish();
      try {
        for (let next = await reader.next(); next !== undefined; next = await reader.next())
          assert.ok(next.length <= 100);
      } catch (thrown) {
        assert.ok(thrown instanceof ProtocolError);
      }
    }),
    { verbose: 1 },
  );
});

test("a reader that nobody asks holds the sender up, and lets it go on when it is asked", async () => {
  const stream = new FakeStream();
  const reader = new MessageReader(stream as unknown as Http2Stream, 1 << 20);
  const message = new Uint8Array(300_000);
  for (let i = 0; i < 5; i++) stream.emit("data", framed([message]));
  assert.equal(stream.paused, true);
  for (let i = 0; i < 5; i++) await reader.next();
  assert.equal(stream.paused, false);
});

test("a length that is stated and above the limit is refused before anything is made for it", async () => {
  const stream = new FakeStream();
  const reader = new MessageReader(stream as unknown as Http2Stream, 1000);
  stream.emit("data", Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff));
  await assert.rejects(reader.next(), { code: "resource-exhausted" });
});

test("the codec of bulk reads what it writes, what others write, and refuses the rest", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1000 }), (bytes) => {
      assert.deepEqual(BYTES_CODEC.decode(concatBytes(BYTES_CODEC.encode(bytes))), bytes);
      try {
        assert.ok(BYTES_CODEC.decode(bytes).length <= bytes.length);
      } catch (thrown) {
        assert.ok(thrown instanceof RangeError);
      }
    }),
    { verbose: 1 },
  );
  assert.deepEqual(BYTES_CODEC.decode(Uint8Array.of(0x0a, 1, 5, 0x0a, 1, 6)), Uint8Array.of(6), "the last one counts");
});

test("lists of digests have whole digests, and not too many", () => {
  assert.throws(() => unpackDigests(new Uint8Array(33)), { code: "invalid-argument" });
  assert.throws(() => unpackDigests(new Uint8Array(32 * ((1 << 20) + 1))), { code: "resource-exhausted" });
});

test("URLs that lead to no server are refused", () => {
  const good = ["grpc+http://[::1]:8000", "grpc+https://example.org", "grpc+unix:/run/s", "grpc+unix:///run/s"];
  for (const url of good) parseGrpcUrl(url);
  const bad = [
    "",
    "grpc+http:",
    "grpc+http://",
    "grpc+http://h/path",
    "grpc+unix:relative",
    "grpc+unix://host/s",
    "grpc+ftp://h",
    "http://h",
    "grpc+http://u@h",
  ];
  for (const url of bad) assert.throws(() => parseGrpcUrl(url), { code: "invalid-argument" }, url);
});

test("every method answers any bytes, and the server goes on", async (t) => {
  const served = await openServed();
  t.after(served.close);
  await fill(served);
  const alive = async () => {
    const request = STAT_BLOB_REQUEST.make({ digest: new Uint8Array(32) });
    await assert.rejects(callUnary(served.channel, CASTORE_METHODS.snix.stat, request), { code: "not-found" });
  };
  const paths = RPC_CASES.filter(({ isEndless }) => !isEndless).map(({ method }) => `/${method}`);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 3 }),
      async (path, messages) => {
        const call = served.channel.call(path);
        for (const message of messages) call.send([message]).catch(() => undefined);
        call.end();
        try {
          while ((await call.receive()) !== undefined);
        } catch (thrown) {
          assert.ok(thrown instanceof ProtocolError);
          assert.notEqual(thrown.code, "unavailable");
        } finally {
          call.cancel();
        }
      },
    ),
    { numRuns: 300, verbose: 1 },
  );
  await alive();
});

test("a port that gets anything but a protocol goes on serving", async (t) => {
  const served = await openServed();
  t.after(served.close);
  const starts = [
    "",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: h\r\n",
    "PR",
    "GET / HTTP/1.1\r\n\r\n",
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 200 }), async (start, bytes) => {
      const socket = connect(served.server.port as number, "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      await new Promise((resolve) => socket.once("connect", resolve));
      socket.write(start);
      socket.write(bytes);
      await sleep(1);
      socket.destroy();
    }),
    { numRuns: 200, verbose: 1 },
  );
  assert.equal(await served.blobs.has(await served.blobs.put(new Uint8Array(10))), true);
});

test("a lease of another server is refused here", async (t) => {
  const [served, other] = [await openServed(), await openServed()];
  t.after(served.close);
  t.after(other.close);
  const lease = await other.leases.openLease("theirs");
  await assert.rejects(async () => served.blobs.put(new Uint8Array(1), { lease }), { code: "closed" });
  const metadata = { "firn-lease": lease.id };
  const call = callUnary(
    served.channel,
    CASTORE_METHODS.snix.stat,
    STAT_BLOB_REQUEST.make({ digest: new Uint8Array(32) }),
    { metadata },
  );
  await assert.rejects(call, { code: "failed-precondition" });
});
