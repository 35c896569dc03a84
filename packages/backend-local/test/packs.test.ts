/* Packs and what lies in them: codecs, claims, epochs, space that is given back, compaction beside readers. */

import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openLocalStore } from "@firn/backend-local";
import { concatBytes } from "@firn/base";
import { type Digest, digestOf, readBlob } from "@firn/castore";
import fc from "fast-check";
import { chunkListOf, decodeBlobRecord, encodeChunkedRecord } from "../src/blob-record.ts";
import {
  compressChunk,
  decodeChunk,
  decodeChunkSync,
  encodeChunkAtOnce,
  looksCompressible,
} from "../src/chunk-codec.ts";
import { type ChunkRecord, decodeChunkRecord, encodeChunkRecord } from "../src/chunk-record.ts";
import { ChunkStore } from "../src/chunk-store.ts";
import { HashThread } from "../src/hash-thread-host.ts";
import { compactPacks, packUses } from "../src/pack-compaction.ts";
import { PackWriter } from "../src/pack-writer.ts";
import { Packs } from "../src/packs.ts";
import { beginEpoch, currentEpoch, epochAt } from "../src/record-head.ts";
import { digestKey, StoreIndex } from "../src/store-index.ts";
import { noise } from "./noise.ts";
import { temporaryDir } from "./odd-tree.ts";

describe("a chunk as it is stored", () => {
  test("comes back, compressed only where that saves a tenth", async () => {
    for (const [bytes, codec] of [
      [noise(200_000, 1), "raw"],
      [new Uint8Array(200_000), "zstd"],
      [Buffer.from("text that repeats. ".repeat(5000)), "zstd"],
      [noise(10, 1), "raw"],
    ] as const) {
      const encoded = encodeChunkAtOnce(bytes) ?? (await compressChunk(bytes));
      assert.equal(encoded.codec, codec);
      const record = { codec, pack: 1, offset: 0, storedBytes: encoded.stored.length, size: bytes.length };
      assert.equal(Buffer.compare(await decodeChunk(encoded.stored, record, digestOf(bytes)), bytes), 0);
      assert.equal(Buffer.compare(decodeChunkSync(encoded.stored, record, digestOf(bytes)), bytes), 0);
      await assert.rejects(decodeChunk(encoded.stored, record, digestOf(noise(3, 3))), { code: "corrupt" });
      assert.throws(() => decodeChunkSync(noise(99, 1), { ...record, codec: "zstd" }, digestOf(bytes)), {
        code: "corrupt",
      });
    }
    assert.equal(looksCompressible(noise(500_000, 5)), false);
  });
});

describe("records", () => {
  test("are read as they were written, and never for more than they are", () => {
    const digest = digestOf(noise(4, 4));
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 20 }), (sizes) => {
        const chunks = sizes.map((size) => ({ digest, size }));
        const size = sizes.reduce((sum, one) => sum + one, 0);
        const record = encodeChunkedRecord(size, chunks);
        assert.deepEqual(decodeBlobRecord(record, digest), { kind: "chunked", size, chunks });
        assert.deepEqual(chunkListOf(record), chunks);
        assert.throws(() => decodeBlobRecord(encodeChunkedRecord(size + 1, chunks), digest), { code: "corrupt" });
        assert.throws(() => decodeBlobRecord(record.subarray(0, record.length - 1), digest), { code: "corrupt" });
      }),
    );
    const chunk: ChunkRecord = { codec: "raw", pack: 7, offset: 2 ** 33 + 5, storedBytes: 1000, size: 1000 };
    assert.deepEqual(decodeChunkRecord(encodeChunkRecord(chunk), digest), chunk);
    for (const bad of [
      { ...chunk, size: 999 },
      { ...chunk, storedBytes: 2 ** 30, size: 2 ** 30 },
    ])
      assert.throws(() => decodeChunkRecord(encodeChunkRecord(bad), digest), { code: "corrupt" });
    assert.throws(() => decodeBlobRecord(new Uint8Array(3), digest), { code: "corrupt" });
  });

  test("are stamped anew by who puts, or asks under a lease, in a later epoch, and by nobody else", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    await using store = await openLocalStore(at);
    const index = new StoreIndex(at);
    const small = noise(100, 1);
    const large = noise(700_000, 2);
    const digests = [await store.blobs.put(small), await store.blobs.put(large)];
    const chunks = (await store.blobs.chunks(digests[1])) ?? [];
    assert.ok(chunks.length > 1);
    const epochs = () => [
      ...digests.map((digest) => epochAt(index.blobs, digestKey(digest))),
      ...chunks.map(({ digest }) => epochAt(index.chunks, digestKey(digest))),
    ];
    const all = (epoch: number) => [...digests, ...chunks].map(() => epoch);
    assert.deepEqual(epochs(), all(1));
    index.write(() => beginEpoch(index));
    assert.equal(currentEpoch(index), 2);
    for (const digest of digests) assert.ok(await store.blobs.has(digest));
    index.env.resetReadTxn();
    assert.deepEqual(epochs(), all(1));
    await store.blobs.put(small);
    await store.blobs.put(large);
    index.env.resetReadTxn();
    assert.deepEqual(epochs(), all(2));
    await using lease = await store.leases.openLease("a test"); // begins an epoch: the first lease of a day
    assert.ok(await store.blobs.has(digests[0], { lease }));
    index.env.resetReadTxn();
    assert.deepEqual(epochs(), [3, ...all(2).slice(1)]);
    await index.close();
  });
});

/** Takes what is to be hashed, and gives nothing back. */
function brokenThread(): HashThread {
  const thread = new HashThread(0, 1);
  return Object.assign(thread, {
    hash: (bytes: Uint8Array<ArrayBuffer>) => {
      bytes.buffer.transfer(0);
      return Promise.reject(new Error("it broke"));
    },
  });
}

const packFiles = (at: string) => readdirSync(join(at, "packs")).map((name) => statSync(join(at, "packs", name)).size);

describe("packs", () => {
  test("are used again by the next process, and by one writer at a time", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    for (let run = 0; run < 3; run++) {
      await using store = await openLocalStore(at);
      await store.blobs.put(noise(50_000, run));
    }
    assert.equal(packFiles(at).length, 1);
    await using first = await openLocalStore(at);
    await using second = await openLocalStore(at);
    await first.blobs.put(noise(50_000, 10));
    await second.blobs.put(noise(50_000, 11));
    assert.equal(packFiles(at).length, 2);
  });

  test("give chunks that lie together at once, unless one is damaged", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    await using store = await openLocalStore(at);
    const bytes = concatBytes([noise(3_000_000, 1), new Uint8Array(1_500_000), noise(1_500_000, 2)]);
    const digest = await store.blobs.put(bytes);
    const list = (await store.blobs.chunks(digest)) ?? [];
    assert.equal(Buffer.compare(await readBlob(store.blobs, digest, 1 << 25), bytes), 0);

    const index = new StoreIndex(at);
    const packs = new Packs(at);
    for (const thread of [undefined, new HashThread(0, 1), brokenThread()]) {
      const chunks = new ChunkStore(index, packs, thread);
      const counts: number[] = [];
      for (let from = 0; from < list.length; ) {
        const run = chunks.readRun(list, from, list.length);
        const start = list.slice(0, from).reduce((sum, { size }) => sum + size, 0);
        const piece = await run.bytes;
        assert.equal(Buffer.compare(piece, bytes.subarray(start, start + piece.length)), 0);
        assert.ok(
          run.count === 1 || piece.length === piece.buffer.byteLength,
          "whoever gets it may give its memory away",
        );
        counts.push(run.count);
        from += run.count;
      }
      assert.ok(counts.length < list.length && counts.includes(1), String(counts));
      await thread?.close();
    }

    const records = list.map(({ digest: chunk }) => new ChunkStore(index, packs).record(chunk) as ChunkRecord);
    const second = records[1];
    const pack = openSync(packs.pathOf(second.pack), "r+");
    writeSync(pack, "x", second.offset + 100);
    closeSync(pack);
    for (const thread of [undefined, new HashThread(0, 1)]) {
      const chunks = new ChunkStore(index, packs, thread);
      const { count, bytes: read } = chunks.readRun(list, 0, list.length);
      assert.ok(count > 1);
      await assert.rejects(read, {
        code: "corrupt",
        message: new RegExp(list[1].digest),
      });
      await thread?.close();
    }
    packs.close();
    await index.close();
  });

  test("hold equal chunks once, and get back what an aborted writer took", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    await using store = await openLocalStore(at);
    const bytes = noise(2_000_000, 1);
    await store.blobs.put(bytes);
    const [before] = packFiles(at);
    await store.blobs.put(bytes);
    assert.deepEqual(packFiles(at), [before]);
    const changed = bytes.slice();
    changed[1_999_999] ^= 1;
    await store.blobs.put(changed);
    const [after] = packFiles(at);
    assert.ok(after - before < 600_000, "only the last chunk is new");
    const writer = store.blobs.openWrite();
    await writer.write(noise(3_000_000, 2));
    await writer.abort();
    assert.deepEqual(packFiles(at), [after]);
  });

  test("that are mostly dead are emptied while readers go on, and no number is used twice", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    const digests: Digest[] = [];
    {
      await using store = await openLocalStore(at);
      for (let i = 0; i < 8; i++) digests.push(await store.blobs.put(noise(100_000, i)));
    }
    await using reading = await openLocalStore(at);
    const index = new StoreIndex(at);
    const packs = new Packs(at);
    const writer = new PackWriter(index, packs);
    const parts = { index, packs, writer };
    assert.equal(await compactPacks(parts), 0);
    assert.equal(packUses(parts)[0].recordedBytes, 8 * 100_048);
    await using held = await reading.blobs.openRead(digests[7]);
    index.write(() => {
      for (const digest of digests.slice(0, 6)) {
        index.blobs.removeSync(digestKey(digest));
        index.chunks.removeSync(digestKey(digest));
      }
    });
    assert.equal(await compactPacks(parts), 8 * 100_048 + 16 - 2 * 100_048);
    await writer.close();
    assert.deepEqual(readdirSync(join(at, "packs")), ["00000002"]);
    assert.equal(packUses(parts)[0].recordedBytes, 2 * 100_048);
    for (const i of [6, 7]) assert.deepEqual(await readBlob(reading.blobs, digests[i], 1 << 20), noise(100_000, i));
    for await (const bytes of held?.stream() ?? []) assert.equal(bytes.length, 100_000);
    const chunks = new ChunkStore(index, packs);
    assert.equal((await chunks.read(digests[6])).length, 100_000);
    packs.close();
    await index.close();
  });
});
