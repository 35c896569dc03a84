/* Log frames, framed streams and the handshake of the worker protocol. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { byteStringOf, ByteSource, bytesOf, concatBytes, FirnError } from "@firn/base";
import {
  invalidMessage,
  openWorkerHandshake,
  readWorkerLogFrame,
  serveWorkerHandshake,
  WireReader,
  WireWriter,
  WORKER_FEATURES,
  WorkerFrames,
  workerFrameHead,
  type WorkerLogFrame,
  writeWorkerLogFrame,
} from "@firn/nix-compat";
import * as fc from "fast-check";
import { readerOf, sessionOf, SESSIONS } from "./worker.ts";

const FRAMES: readonly WorkerLogFrame[] = [
  { type: "message", text: "warning: \xff\n" },
  { type: "read", bytesMax: 65536 },
  { type: "write", bytes: Uint8Array.of(1, 2, 3) },
  { type: "last" },
  {
    type: "start",
    id: 2n ** 60n,
    level: 3,
    activity: 105,
    text: "building",
    fields: ["/nix/store/x", "", 1n],
    parent: 0n,
  },
  { type: "stop", id: 7n },
  { type: "result", id: 7n, result: 101, fields: ["a line"] },
];

function written(frame: WorkerLogFrame, version: number): Uint8Array {
  const to = new WireWriter();
  writeWorkerLogFrame(to, frame, sessionOf(version));
  return to.take();
}

/** A pipe in both directions: what one side sends the other reads. */
function duplex() {
  const side = () => {
    const queue: Uint8Array[] = [];
    let wake = () => {};
    let ended = false;
    async function* pieces() {
      for (;;) {
        const piece = queue.shift();
        if (piece !== undefined) yield piece;
        else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    const send = async (bytes: Uint8Array) => {
      queue.push(bytes);
      wake();
    };
    const end = () => {
      ended = true;
      wake();
    };
    return { reader: new WireReader(new ByteSource(pieces()), invalidMessage), send, end };
  };
  return { toServer: side(), toClient: side() };
}

describe("log frames", () => {
  test("are read as they were written", async () => {
    for (const frame of FRAMES)
      assert.deepEqual(await readWorkerLogFrame(readerOf(written(frame, 34)), sessionOf(34)), frame);
  });

  test("an error has its traces from 1.26 on, and is a message and an exit code before", async () => {
    const frame: WorkerLogFrame = { type: "error", level: 0, message: "it failed", traces: ["while", "and"] };
    assert.deepEqual(await readWorkerLogFrame(readerOf(written(frame, 26)), sessionOf(26)), frame);
    const before = await readWorkerLogFrame(readerOf(written(frame, 25)), sessionOf(25));
    assert.deepEqual(before, { ...frame, traces: [] });
    const bytes = new WireWriter().integer(0x63787470).text("it failed").integer(1).take();
    assert.deepEqual(written(frame, 25), bytes);
  });

  test("of no known kind are refused", async () => {
    const bytes = new WireWriter().integer(0x1234).take();
    await assert.rejects(readWorkerLogFrame(readerOf(bytes), sessionOf(34)), { code: "invalid-message" });
  });
});

describe("a framed stream", () => {
  test("gives back its bytes and leaves what follows", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40 })),
        fc.integer({ min: 1, max: 17 }),
        async (pieces, length) => {
          const parts = pieces
            .filter((piece) => piece.length > 0)
            .flatMap((piece) => [workerFrameHead(piece.length), piece]);
          const stream = concatBytes([...parts, workerFrameHead(0), bytesOf("rest....")]);
          const reader = readerOf(stream, length);
          const found: Uint8Array[] = [];
          for await (const piece of new WorkerFrames(reader).bytes()) found.push(new Uint8Array(piece));
          assert.deepEqual(concatBytes(found), concatBytes(pieces));
          let rest = "";
          for await (const piece of reader.raw(8)) rest += byteStringOf(piece);
          assert.equal(rest, "rest....");
        },
      ),
    );
  });

  test("is read to its end after its reader stopped early", async () => {
    const stream = concatBytes([
      workerFrameHead(20),
      new Uint8Array(20),
      workerFrameHead(3),
      new Uint8Array(3),
      workerFrameHead(0),
    ]);
    const reader = readerOf(stream);
    const frames = new WorkerFrames(reader);
    for await (const _ of frames.bytes()) break;
    await frames.drain();
    assert.equal(await reader.atEnd(), true);
  });

  test("that is cut is refused", async () => {
    const frames = new WorkerFrames(readerOf(concatBytes([workerFrameHead(20), new Uint8Array(5)])));
    await assert.rejects(frames.drain(), { code: "invalid-message" });
  });
});

describe("the handshake", () => {
  const greeting = { programVersion: "2.35.2", trusted: true };
  const shake = async (version: number) => {
    const { toServer, toClient } = duplex();
    const server = serveWorkerHandshake(toServer.reader, toClient.send, "/nix/store", greeting);
    const client = openWorkerHandshake(toClient.reader, toServer.send, "/nix/store", version);
    return { server: await server, client: await client };
  };

  for (const { version } of SESSIONS) {
    test(`with a client of 1.${version} ends in the same session on both sides`, async () => {
      const { server, client } = await shake(version);
      assert.deepEqual(client.session, server);
      assert.equal(server.version, version);
      assert.deepEqual([...server.features], version >= 38 ? WORKER_FEATURES : []);
      assert.equal(client.greeting.programVersion, version >= 33 ? "2.35.2" : undefined);
      assert.equal(client.greeting.trusted, version >= 35 ? true : undefined);
    });
  }

  test("refuses a client that is too old, of another protocol, or no client at all", async () => {
    const cases = [
      [new WireWriter().integer(0x6e697863).integer(0x111), "limit"],
      [new WireWriter().integer(0x6e697863).integer(0x222), "invalid-message"],
      [new WireWriter().integer(0x474554).integer(0x122), "invalid-message"],
      [new WireWriter().integer(0x6e697863), "invalid-message"],
    ] as const;
    for (const [bytes, code] of cases) {
      const served = serveWorkerHandshake(readerOf(bytes.take()), async () => {}, "/nix/store", greeting);
      await assert.rejects(served, (thrown: unknown) => thrown instanceof FirnError && thrown.code === code);
    }
  });
});
