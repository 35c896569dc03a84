/* Contents cut into chunks, and put together again from them. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { collectBytes, concatBytes } from "@firn/base";
import {
  ChunkedReader,
  chunksFrom,
  type ChunkMeta,
  chunksOf,
  digestOf,
  MemoryBlobs,
  type ReadRun,
  verifyChunkList,
} from "@firn/castore";
import { firstChunkBytes } from "@firn/hash";
import fc from "fast-check";

const tooLong = () => new Error("too long");
const all = (stream: AsyncIterable<Uint8Array>) => collectBytes(stream, 1 << 26, tooLong);

function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 5;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

async function* pieces(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.slice(at, at + step);
}

const contents = noise(3_000_000);

async function stored(): Promise<{ blobs: MemoryBlobs; list: ChunkMeta[] }> {
  const blobs = new MemoryBlobs();
  const list: ChunkMeta[] = [];
  for await (const { digest, bytes } of chunksOf(pieces(contents, 100_000))) {
    assert.equal(await blobs.put(bytes), digest);
    list.push({ digest, size: bytes.length });
  }
  return { blobs, list };
}

describe("chunks of a stream", () => {
  test("are where the blob as a whole would be cut, however it comes", async () => {
    const expected: string[] = [];
    for (let at = 0; at < contents.length; ) {
      const length = firstChunkBytes(contents.subarray(at));
      expected.push(digestOf(contents.subarray(at, at + length)));
      at += length;
    }
    for (const step of [997, 65_536, 600_000, 3_000_000]) {
      const found: string[] = [];
      for await (const { digest } of chunksOf(pieces(contents, step))) found.push(digest);
      assert.deepEqual(found, expected, `${step}`);
    }
    assert.ok(expected.length > 6);
  });

  test("of nothing are none", async () => {
    assert.deepEqual(await Array.fromAsync(chunksOf(pieces(new Uint8Array(), 1))), []);
  });

  test("have the published vector", async () => {
    const { list } = await stored();
    assert.deepEqual(
      list.map(({ size }) => size),
      [332_202, 374_285, 351_460, 387_829, 443_406, 524_288, 304_097, 282_433],
    );
    assert.equal(list[0].digest, "fc090a1c47b9fea23bd215d85bdc7e74dc11c52cbc61b29187660f916ad22522");
  });
});

describe("a reader over chunks", () => {
  test("seeks anywhere", async () => {
    const { blobs, list } = await stored();
    await using reader = new ChunkedReader(list, chunksFrom(blobs));
    assert.equal(reader.size, contents.length);
    await fc.assert(
      fc.asyncProperty(fc.nat(3_100_000), fc.nat(3_100_000), async (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        assert.equal(Buffer.compare(await all(reader.stream(from, to)), contents.slice(from, to)), 0);
      }),
      { numRuns: 20 },
    );
    assert.equal(digestOf(await all(reader.stream())), digestOf(contents));
    await verifyChunkList(digestOf(contents), list, chunksFrom(blobs));
  });

  test("takes several chunks at once where they come so, ahead of what goes out, and not beyond the range", async () => {
    const { blobs, list } = await stored();
    const readChunk = chunksFrom(blobs);
    const begun: number[] = [];
    const runsOf =
      (most: number): ReadRun =>
      (chunks, from, to) => {
        const count = Math.min(most, to - from);
        begun.push(from + count);
        return { count, bytes: Promise.all(chunks.slice(from, from + count).map(readChunk)).then(concatBytes) };
      };
    for (const most of [1, 2, 3, list.length]) {
      const reader = new ChunkedReader(list, readChunk, undefined, runsOf(most));
      assert.equal(digestOf(await all(reader.stream())), digestOf(contents));
      for (const [from, to] of [
        [0, 1],
        [list[0].size - 1, list[0].size + 1],
        [700_000, 2_500_000],
        [contents.length - 5, contents.length],
      ])
        assert.equal(Buffer.compare(await all(reader.stream(from, to)), contents.slice(from, to)), 0);
      begun.length = 0;
      await all(reader.stream(0, list[0].size));
      assert.deepEqual(begun, [1]);
      const pieces = reader.stream()[Symbol.asyncIterator]();
      begun.length = 0;
      await pieces.next();
      assert.ok(begun.length >= Math.min(2, Math.ceil(list.length / most)));
      await pieces.return?.();
    }
    const short: ReadRun = (chunks, from) => ({ count: 2, bytes: readChunk(chunks[from]) });
    await assert.rejects(all(new ChunkedReader(list, readChunk, undefined, short).stream()), { code: "corrupt" });
  });

  test("names a chunk that is missing or of another length, and a list that is another blob's", async () => {
    const { blobs, list } = await stored();
    const absent = digestOf(new Uint8Array(7));
    const holey = [...list.slice(0, 2), { digest: absent, size: 7 }];
    await assert.rejects(all(new ChunkedReader(holey, chunksFrom(blobs)).stream()), {
      code: "missing",
      message: new RegExp(absent),
    });
    const wrong = [{ ...list[0], size: list[0].size - 1 }, ...list.slice(1)];
    await assert.rejects(all(new ChunkedReader(wrong, chunksFrom(blobs)).stream()), { code: "corrupt" });
    assert.throws(() => new ChunkedReader([{ ...list[0], size: 2 ** 40 }], chunksFrom(blobs)), { code: "limit" });
    await assert.rejects(verifyChunkList(digestOf(contents), [...list].reverse(), chunksFrom(blobs)), {
      code: "corrupt",
    });
  });

  test("takes no more reads once closed, and listens to its signal", async () => {
    const { blobs, list } = await stored();
    const reader = new ChunkedReader(list, chunksFrom(blobs));
    await reader.close();
    await assert.rejects(all(reader.stream()), { code: "closed" });
    const reason = new Error("enough");
    await assert.rejects(all(new ChunkedReader(list, chunksFrom(blobs), AbortSignal.abort(reason)).stream()), reason);
    assert.equal((await all(new ChunkedReader([], chunksFrom(blobs)).stream())).length, concatBytes([]).length);
  });
});
