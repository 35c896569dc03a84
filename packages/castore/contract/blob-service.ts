/*
What every BlobService must do, as tests. `open` makes a fresh, empty service for each test and says how to end it.
*/

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { collectBytes } from "@firn/base";
import {
  type BlobService,
  type Digest,
  digestOf,
  EMPTY_DIGEST,
  outboardOf,
  outboardSize,
  verifiedRange,
} from "@firn/castore";

type Opened = { readonly blobs: BlobService; close(): Promise<void> };

const SIZES = [0, 1, 31, 1023, 1024, 1025, 16_383, 16_384, 65_536, 65_537, 300_000, 1_500_000];

function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 255;
  return bytes;
}

const tooLong = () => new Error("more bytes than were stored");

async function readAll(blobs: BlobService, digest: Digest, from?: number, to?: number): Promise<Uint8Array> {
  await using reader = await blobs.openRead(digest);
  assert.ok(reader, "the blob is there");
  return await collectBytes(reader.stream(from, to), 1 << 24, tooLong);
}

/** What who owns a chunk may do to it: its memory is another's then, where the chunk was all of it. */
function giveAway(chunk: Uint8Array): void {
  chunk.fill(0);
  if (chunk.byteLength === chunk.buffer.byteLength) (chunk.buffer as ArrayBuffer).transfer(0);
}

export function blobServiceContract(name: string, open: () => Promise<Opened>): void {
  const check = (sentence: string, body: (blobs: BlobService) => Promise<void>) =>
    test(sentence, async () => {
      const opened = await open();
      try {
        await body(opened.blobs);
      } finally {
        await opened.close();
      }
    });

  describe(`${name} keeps the contract of a BlobService`, () => {
    check("what was put is read back under its digest, for every size", async (blobs) => {
      for (const size of SIZES) {
        const bytes = patterned(size);
        const digest = await blobs.put(bytes);
        assert.equal(digest, digestOf(bytes));
        assert.equal(await blobs.has(digest), true);
        assert.deepEqual(await readAll(blobs, digest), bytes);
      }
    });

    check("a writer fed in pieces yields the same digest as a put", async (blobs) => {
      for (const size of SIZES) {
        const bytes = patterned(size);
        const writer = blobs.openWrite();
        for (let at = 0; at < size; at += 7001) {
          const piece = bytes.slice(at, at + 7001);
          await writer.write(piece);
          giveAway(piece); // the buffer is the caller's again
        }
        const digest = await writer.close();
        assert.equal(digest, digestOf(bytes));
        assert.equal(await writer.close(), digest, "closing twice yields the same digest");
        assert.deepEqual(await readAll(blobs, digest), bytes);
      }
    });

    check(
      "a Buffer given to put or write is the caller's again, and readers yield memory of their own",
      async (blobs) => {
        for (const size of [100, 40_000]) {
          const given = Buffer.from(patterned(size));
          const putting = await blobs.put(given);
          const writer = blobs.openWrite();
          const other = Buffer.concat([given, given]);
          await writer.write(other);
          given.fill(0);
          other.fill(0);
          const written = await writer.close();
          for (const digest of [putting, written]) {
            await using reader = await blobs.openRead(digest);
            assert.ok(reader);
            for await (const chunk of reader.stream()) chunk.fill(0);
            assert.equal(digestOf(await readAll(blobs, digest)), digest);
            assert.equal(digestOf(await collectBytes(reader.stream(), 1 << 24, tooLong)), digest);
          }
        }
      },
    );

    check("an absent blob is undefined everywhere, not an error", async (blobs) => {
      const absent = digestOf(patterned(17));
      assert.equal(await blobs.has(absent), false);
      assert.equal(await blobs.openRead(absent), undefined);
      assert.equal(await blobs.chunks(absent), undefined);
    });

    check("ranges are clipped to the blob", async (blobs) => {
      for (const size of [10, 300_000]) {
        const bytes = patterned(size);
        const digest = await blobs.put(bytes);
        assert.deepEqual(await readAll(blobs, digest, 3, 7), bytes.subarray(3, 7));
        assert.deepEqual(await readAll(blobs, digest, size - 2, size + 99), bytes.subarray(size - 2));
        assert.equal((await readAll(blobs, digest, size, size + 1)).length, 0);
        assert.equal((await readAll(blobs, digest, 5, 5)).length, 0);
      }
    });

    check("several streams of one reader may run at once, and their chunks belong to the consumer", async (blobs) => {
      const bytes = patterned(300_000);
      const digest = await blobs.put(bytes);
      await using reader = await blobs.openRead(digest);
      assert.ok(reader);
      assert.equal(reader.size, bytes.length);
      for await (const chunk of reader.stream()) giveAway(chunk);
      const both = await Promise.all([
        collectBytes(reader.stream(), 1 << 24, tooLong),
        collectBytes(reader.stream(100, 200_000), 1 << 24, tooLong),
      ]);
      assert.deepEqual(both[0], bytes);
      assert.deepEqual(both[1], bytes.subarray(100, 200_000));
    });

    check("a writer that is aborted leaves nothing behind and takes no more bytes", async (blobs) => {
      for (const size of [100, 300_000]) {
        const bytes = patterned(size);
        const writer = blobs.openWrite();
        await writer.write(bytes);
        await writer.abort();
        await assert.rejects(writer.write(bytes), { code: "closed" });
        await assert.rejects(writer.close(), { code: "closed" });
        assert.equal(await blobs.has(digestOf(bytes)), false);
      }
    });

    check("a write that fails ends the writer, which then cannot store a blob that lacks it", async (blobs) => {
      const broken = {
        get length(): number {
          throw new Error("broken on the way");
        },
      } as unknown as Uint8Array;
      for (const size of [100, 600_000]) {
        await using writer = blobs.openWrite();
        await writer.write(patterned(size));
        await assert.rejects(writer.write(broken));
        await assert.rejects(writer.write(patterned(10)), { code: "closed" });
        await assert.rejects(writer.close(), { code: "closed" });
        assert.equal(await blobs.has(digestOf(patterned(size))), false);
      }
    });

    check("nothing is visible before a writer closes, and an abort after it does nothing", async (blobs) => {
      const bytes = patterned(300_000);
      const writer = blobs.openWrite();
      await writer.write(bytes);
      assert.equal(await blobs.has(digestOf(bytes)), false);
      const digest = await writer.close();
      await writer.abort();
      assert.equal(await blobs.has(digest), true);
    });

    check("the same blob may be written many times at once", async (blobs) => {
      const bytes = patterned(300_000);
      const digests = await Promise.all(Array.from({ length: 8 }, () => blobs.put(bytes)));
      assert.deepEqual(new Set(digests), new Set([digestOf(bytes)]));
      assert.deepEqual(await readAll(blobs, digests[0]), bytes);
    });

    check("the empty blob has the digest of no bytes", async (blobs) => {
      assert.equal(await blobs.openWrite().close(), EMPTY_DIGEST);
      assert.equal((await readAll(blobs, EMPTY_DIGEST)).length, 0);
    });

    check("chunks add up to the blob", async (blobs) => {
      const bytes = patterned(1_500_000);
      const digest = await blobs.put(bytes);
      const chunks = await blobs.chunks(digest);
      assert.ok(chunks);
      if (!blobs.supports.chunks) assert.equal(chunks.length, 0);
      if (chunks.length === 0) return;
      const parts = await Promise.all(chunks.map((chunk) => readAll(blobs, chunk.digest)));
      assert.deepEqual(new Uint8Array(Buffer.concat(parts)), bytes);
    });

    check("an outboard proves ranges of its blob, and an absent blob has none", async (blobs) => {
      for (const size of [0, 1000, 16_385, 1_500_000]) {
        const bytes = patterned(size);
        const digest = await blobs.put(bytes);
        const outboard = await outboardOf(blobs, digest);
        assert.ok(outboard);
        assert.equal(outboardSize(outboard), size);
        await using reader = await blobs.openRead(digest);
        assert.ok(reader);
        for (const [from, to] of [
          [0, 10],
          [size >> 1, size],
          [size, size + 5],
        ] as const) {
          const found = await collectBytes(verifiedRange(digest, reader, outboard, from, to), 1 << 24, tooLong);
          assert.deepEqual(found, bytes.slice(from, to));
        }
      }
      assert.equal(await outboardOf(blobs, digestOf(patterned(19))), undefined);
    });

    check("an aborted signal rejects with its reason", async (blobs) => {
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      await assert.rejects(async () => blobs.has(EMPTY_DIGEST, { signal }), reason);
      await assert.rejects(async () => blobs.put(patterned(10), { signal }), reason);
      await assert.rejects(async () => blobs.openWrite({ signal }).write(patterned(10)), reason);
    });
  });
}
