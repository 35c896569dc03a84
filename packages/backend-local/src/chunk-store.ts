/*
Chunks by their digests: records in the index, bytes in packs. Reading verifies; a chunk found damaged or gone is remembered, so that who
puts its contents again replaces it.

Writing goes through a `ChunkSession`, the chunks of one blob or of one import: they are appended as they come, a few being compressed
meanwhile, and recorded together with the blobs that name them when the session commits. One flush and one transaction serve all of it.
*/

import { Background, concatBytes } from "@firn/base";
import { CastoreError, type ChunkMeta, type ChunkRun, type Digest, digestOf } from "@firn/castore";
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN } from "@firn/hash";
import { encodeChunkedRecord } from "./blob-record.ts";
import { compressChunk, decodeChunk, decodeChunkSync, encodeChunkAtOnce, type EncodedChunk } from "./chunk-codec.ts";
import { type ChunkRecord, decodeChunkRecord, encodeChunkRecord } from "./chunk-record.ts";
import type { Commits } from "./commits.ts";
import { storageError } from "./error.ts";
import type { HashThread } from "./hash-thread-host.ts";
import type { PackWriter } from "./pack-writer.ts";
import { chunkGone, encodeEntryHead, ENTRY_HEAD_BYTES, isBehind, type Packs } from "./packs.ts";
import { currentEpoch, restamp, stamp } from "./record-head.ts";
import { digestKey, type StoreIndex, type Table } from "./store-index.ts";

/** Most bytes of chunks that are read together. */
const RUN_BYTES_MAX = 1024 * 1024;

/** Chunks of one session that may be being compressed. */
const COMPRESSING_MAX = 8;

export class ChunkStore {
  readonly index: StoreIndex;
  readonly #packs: Packs;
  readonly #hashThread: HashThread | undefined;
  readonly #damaged = new Set<Digest>();

  /** Without a thread all is hashed where it is read. */
  constructor(index: StoreIndex, packs: Packs, hashThread?: HashThread) {
    this.#hashThread = hashThread;
    this.index = index;
    this.#packs = packs;
  }

  /** The record of a chunk, undefined when there is none. Throws `corrupt`. */
  record(digest: Digest): ChunkRecord | undefined {
    const bytes = this.index.chunks.getBinary(digestKey(digest));
    return bytes === undefined ? undefined : decodeChunkRecord(bytes, digest);
  }

  /** The chunk's bytes, verified, in a new buffer. Throws `missing` or `corrupt`. */
  async read(digest: Digest): Promise<Uint8Array> {
    const record = this.#need(digest);
    try {
      const stored = (await this.#packs.read(record)) ?? (await this.#packs.read(this.#moved(digest, record)));
      if (stored === undefined) throw chunkGone(digest);
      return await decodeChunk(stored, record, digest);
    } catch (thrown) {
      throw this.#noticed(digest, thrown);
    }
  }

  /**
   * Begins to read a chunk of a blob, with those behind it that lie behind it in its pack as they are: one read instead of many. For ChunkedReader, whose
   * `from` and `to` these are.
   */
  readRun(chunks: readonly ChunkMeta[], from: number, to: number): ChunkRun {
    const records: ChunkRecord[] = [];
    let bytes = 0;
    for (let at = from; at < to; at++) {
      const record = this.record(chunks[at].digest);
      if (record?.codec !== "raw" || bytes + record.storedBytes > RUN_BYTES_MAX) break;
      const before = records.at(-1);
      if (before !== undefined && !isBehind(before, record)) break;
      records.push(record);
      bytes += record.storedBytes;
    }
    if (records.length < 2) return { count: 1, bytes: this.read(chunks[from].digest) };
    return { count: records.length, bytes: this.#readTogether(chunks.slice(from, from + records.length), records) };
  }

  async #readTogether(chunks: readonly ChunkMeta[], records: readonly ChunkRecord[]): Promise<Uint8Array> {
    const together = await this.#packs.readRun(records);
    if (together !== undefined) {
      const lengths = records.map(({ storedBytes }) => storedBytes);
      const { bytes, digests } = await this.#hashed(together, lengths);
      if (chunks.every(({ digest }, n) => digest === digests[n])) return bytes;
    }
    // Damaged, moved meanwhile, or cut short: each chunk has its own way out of that, or its own error.
    return concatBytes(await Promise.all(chunks.map(({ digest }) => this.read(digest))));
  }

  /** Digests of pieces of these lengths. */
  async #hashed(bytes: Uint8Array, lengths: readonly number[]) {
    const beside = this.#hashThread?.hash(bytes, lengths);
    if (beside !== undefined) return await beside.catch(() => ({ bytes, digests: [] }));
    let at = 0;
    return { bytes, digests: lengths.map((length) => digestOf(bytes.subarray(at, (at += length)))) };
  }

  /** The same without leaving the call. */
  readSync(digest: Digest): Uint8Array {
    const record = this.#need(digest);
    try {
      const stored = this.#packs.readSync(record) ?? this.#packs.readSync(this.#moved(digest, record));
      if (stored === undefined) throw chunkGone(digest);
      return decodeChunkSync(stored, record, digest);
    } catch (thrown) {
      throw this.#noticed(digest, thrown);
    }
  }

  /** Whether the chunk need not be stored again: it is recorded, its pack reaches that far, and nobody here found it damaged. */
  isGood(digest: Digest): boolean {
    if (this.#damaged.has(digest)) return false;
    const bytes = this.index.chunks.getBinary(digestKey(digest));
    if (bytes === undefined) return false;
    try {
      return this.#packs.holds(decodeChunkRecord(bytes, digest));
    } catch (thrown) {
      if (thrown instanceof CastoreError && thrown.code === "corrupt") return false;
      throw thrown;
    }
  }

  /** What was damaged was stored again. */
  mended(digest: Digest): void {
    this.#damaged.delete(digest);
  }

  #need(digest: Digest): ChunkRecord {
    const record = this.record(digest);
    if (record === undefined)
      throw new CastoreError("missing", `chunk ${digest} is not stored`, { context: { digest } });
    return record;
  }

  /** Compaction moves chunks between packs; whoever held the old record looks again, in a newer snapshot. */
  #moved(digest: Digest, before: ChunkRecord): ChunkRecord {
    this.index.env.resetReadTxn();
    const now = this.#need(digest);
    if (now.pack === before.pack && now.offset === before.offset) throw chunkGone(digest);
    return now;
  }

  #noticed(digest: Digest, thrown: unknown): unknown {
    if (thrown instanceof CastoreError && (thrown.code === "corrupt" || thrown.code === "missing"))
      this.#damaged.add(digest);
    return thrown;
  }
}

export type ChunkSessionParts = {
  readonly chunks: ChunkStore;
  readonly writer: PackWriter;
  readonly commits: Commits;
};

export class ChunkSession {
  readonly #parts: ChunkSessionParts;
  readonly #table: Table;
  /** What this session appended, by digest; recorded when it commits. */
  #appended = new Map<Digest, ChunkRecord>();
  readonly #compressing = new Background(COMPRESSING_MAX);
  /** Chunks that are being compressed. */
  readonly #underWay = new Set<Digest>();
  /** Chunks that were there already and that a blob of this session names. */
  #relied = new Set<Digest>();
  #blobs: { readonly digest: Digest; readonly record: Uint8Array }[] = [];
  /** The writer's mark when the first of `#appended` was. */
  #mark = 0;
  /** Buffers that are used again: new memory for each chunk costs as much as hashing it. */
  readonly #spare: Uint8Array[] = [];

  /** Blobs are recorded in `blobs`, the index's own table unless a migration says otherwise. */
  constructor(parts: ChunkSessionParts, blobs: Table = parts.chunks.index.blobs) {
    this.#parts = parts;
    this.#table = blobs;
  }

  /** How many bytes of new chunks wait for a commit, about. */
  appendedBytes = 0;

  /** Takes a chunk, whose digest may be known; the bytes are the caller's again once it resolves, which it does when there is room for more. */
  async chunk(bytes: Uint8Array, digest = digestOf(bytes)): Promise<ChunkMeta> {
    const size = bytes.length;
    await this.take(bytes, digest);
    return { digest, size };
  }

  /** As `chunk`; undefined where all is done without leaving the call. */
  take(bytes: Uint8Array, digest: Digest): Promise<void> | undefined {
    if (this.#has(digest)) return undefined;
    this.#compressing.check();
    this.appendedBytes += bytes.length;
    const encoded = encodeChunkAtOnce(bytes);
    if (encoded === undefined) return this.#compress(digest, bytes);
    if (this.#parts.writer.room() !== undefined) return this.#append(digest, bytes.length, encoded);
    this.#appendNow(digest, bytes.length, encoded);
    return undefined;
  }

  /** Takes a blob that is one chunk. The bytes are the caller's again once it resolves. */
  async wholeBlob(bytes: Uint8Array, known?: Digest): Promise<Digest> {
    const { digest, size } = await this.chunk(bytes, known);
    this.blob(digest, size, [{ digest, size }]);
    return digest;
  }

  /** Records a blob with the next commit. Its chunks were given to this session. */
  blob(digest: Digest, size: number, chunks: readonly ChunkMeta[]): void {
    this.#blobs.push({ digest, record: encodeChunkedRecord(size, chunks) });
  }

  /** Makes all chunks and blobs since the last commit durable; nothing may be given to the session meanwhile. Throws `storage`, and then none of the blobs is recorded. */
  async commit(): Promise<void> {
    const { chunks, writer, commits } = this.#parts;
    const { index } = chunks;
    try {
      await this.#compressing.settle();
    } catch (thrown) {
      throw storageError("storing a chunk", thrown);
    }
    const appended = this.#appended;
    const relied = this.#relied;
    const blobs = this.#blobs;
    if (appended.size === 0 && relied.size === 0 && blobs.length === 0) return;
    const digests = [...appended.keys()].sort(); // in the order of the tree, so that a page is touched once
    if (digests.length > 0) await writer.flush(this.#mark);
    await commits.run(() => {
      const epoch = currentEpoch(index);
      for (const digest of relied) {
        if (restamp(index.chunks, digestKey(digest), epoch)) continue;
        throw new CastoreError("storage", `chunk ${digest} was collected while it was relied on: try again`, {
          retryable: true,
          context: { digest },
        });
      }
      for (const digest of digests) {
        const value = encodeChunkRecord(appended.get(digest) as ChunkRecord);
        stamp(value, epoch);
        index.chunks.putSync(digestKey(digest), value);
      }
      for (const { digest, record } of blobs) {
        stamp(record, epoch);
        this.#table.putSync(digestKey(digest), record);
      }
    });
    this.#appended = new Map();
    this.#relied = new Set();
    this.#blobs = [];
    this.appendedBytes = 0;
    for (const digest of digests) chunks.mended(digest);
  }

  /** Ends the session, however it went: waits for what is under way and gives back what was appended and not committed. */
  async settle(): Promise<void> {
    await this.#compressing.end();
    const places = Array.from(this.#appended.values(), ({ pack, offset, storedBytes }) => {
      return { pack, start: offset - ENTRY_HEAD_BYTES, end: offset + storedBytes };
    });
    this.#appended = new Map();
    await this.#parts.writer.giveBack(places);
  }

  /** Whether the chunk need not be stored: it was already, here or before. */
  #has(digest: Digest): boolean {
    if (this.#appended.has(digest) || this.#relied.has(digest) || this.#underWay.has(digest)) return true;
    if (!this.#parts.chunks.isGood(digest)) return false;
    this.#relied.add(digest);
    return true;
  }

  /** Resolves when another may be given. */
  #compress(digest: Digest, bytes: Uint8Array): Promise<void> {
    return this.#compressing.add(async () => {
      const { length } = bytes;
      // Short chunks would make many buffers of full length, so they get their own.
      const isPooled = length > CHUNK_BYTES_MIN && length <= CHUNK_BYTES_MAX;
      const buffer = isPooled ? (this.#spare.pop() ?? new Uint8Array(CHUNK_BYTES_MAX)) : new Uint8Array(length);
      const copy = buffer.subarray(0, length);
      copy.set(bytes);
      this.#underWay.add(digest);
      try {
        await this.#append(digest, length, await compressChunk(copy));
      } finally {
        if (isPooled) this.#spare.push(buffer);
        this.#underWay.delete(digest);
      }
    });
  }

  async #append(digest: Digest, size: number, encoded: EncodedChunk): Promise<void> {
    const { writer } = this.#parts;
    for (let room = writer.room(); room !== undefined; room = writer.room()) await room;
    this.#appendNow(digest, size, encoded);
  }

  #appendNow(digest: Digest, size: number, { codec, stored }: EncodedChunk): void {
    const { writer } = this.#parts;
    if (this.#appended.size === 0) this.#mark = writer.mark;
    const head = encodeEntryHead(digest, codec, stored.length, size);
    const { pack, offset } = writer.append(head, stored, size >= CHUNK_BYTES_MIN);
    this.#appended.set(digest, { codec, pack, offset, storedBytes: stored.length, size });
  }
}
