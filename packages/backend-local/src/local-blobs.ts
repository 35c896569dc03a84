/*
Blobs of the local store: small ones in the index, larger ones cut into chunks (chunk-store.ts). A writer keeps what came in memory until it
is too long for one chunk, and cuts as it comes from then on.
*/

import { concatBytes } from "@firn/base";
import {
  type BlobReader,
  type BlobService,
  type BlobServiceSupports,
  type BlobWriter,
  BytesReader,
  type CallOptions,
  CastoreError,
  ChunkedReader,
  type ChunkMeta,
  computeOutboard,
  type Digest,
  digestOf,
  PieceWriter,
  type PieceWriterParts,
} from "@firn/castore";
import { CHUNK_BYTES_MIN } from "@firn/hash";
import { BlobIngest } from "./blob-ingest.ts";
import { type BlobRecord, decodeBlobRecord, INLINE_BYTES_MAX, INLINE_HEAD } from "./blob-record.ts";
import { ChunkSession, type ChunkSessionParts, type ChunkStore } from "./chunk-store.ts";
import { isHeld } from "./commits.ts";
import { storageError } from "./error.ts";
import type { LocalLeases } from "./local-leases.ts";
import { currentEpoch, HEAD_BYTES, isCurrent, restamp, stamp } from "./record-head.ts";
import type { Staging } from "./staging.ts";
import { digestKey, type StoreIndex } from "./store-index.ts";

/** Longest outboard that is kept in the index: that of a blob of 4 GiB. Those of longer ones are made each time. */
const OUTBOARD_KEPT_BYTES_MAX = 16 * 1024 * 1024;

export type LocalBlobParts = ChunkSessionParts & {
  readonly index: StoreIndex;
  readonly staging: Staging;
  readonly leases: LocalLeases;
};

export class LocalBlobs implements BlobService {
  readonly supports: BlobServiceSupports = { write: true, chunks: true };
  readonly #parts: LocalBlobParts;

  constructor(parts: LocalBlobParts) {
    this.#parts = parts;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#parts.leases.begin(options);
    const { index, commits } = this.#parts;
    return isHeld(index, commits, [index.blobs, index.chunks], digest, options);
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    this.#parts.leases.begin(options);
    const record = readBlobRecord(this.#parts.index, this.#parts.chunks, digest);
    if (record === undefined) return undefined;
    if (record.kind === "inline") return new BytesReader(record.bytes, options?.signal, "own");
    // A read that short costs less than a turn of the thread pool.
    if (record.size <= INLINE_BYTES_MAX && record.chunks.length === 1)
      return new BytesReader(this.#parts.chunks.readSync(record.chunks[0].digest), options?.signal, "own");
    const { chunks } = this.#parts;
    return new ChunkedReader(
      record.chunks,
      (chunk) => chunks.read(chunk.digest),
      options?.signal,
      (all, from, to) => chunks.readRun(all, from, to),
    );
  }

  openWrite(options?: CallOptions): BlobWriter {
    this.#parts.leases.begin(options);
    return new PieceWriter(new LocalPieces(this.#parts), options?.signal);
  }

  async put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    this.#parts.leases.begin(options);
    if (bytes.length <= INLINE_BYTES_MAX) {
      const digest = digestOf(bytes);
      await keepInline(this.#parts, digest, bytes);
      return digest;
    }
    const writer = this.openWrite(options);
    try {
      await writer.write(bytes);
      return await writer.close();
    } finally {
      await writer.abort();
    }
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    if (!(await this.has(digest, options))) return undefined;
    const record = readBlobRecord(this.#parts.index, this.#parts.chunks, digest);
    if (record === undefined) return undefined;
    return record.kind === "inline" || record.chunks.length === 1 ? [] : record.chunks;
  }

  /** Made when it is first asked for, by reading the blob, and kept. */
  async outboard(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined> {
    if (!(await this.has(digest, options))) return undefined;
    const { index, commits } = this.#parts;
    const key = digestKey(digest);
    const kept = index.outboards.getBinary(key);
    if (kept !== undefined) return new Uint8Array(kept.subarray(HEAD_BYTES));
    const made = await computeOutboard(this, digest, options);
    if (made === undefined || made.length > OUTBOARD_KEPT_BYTES_MAX) return made;
    await commits.run(() => {
      const record = new Uint8Array(HEAD_BYTES + made.length);
      stamp(record, currentEpoch(index));
      record.set(made, HEAD_BYTES);
      index.outboards.putSync(key, record);
    });
    return made;
  }
}

/** Reads a record from the index; inline contents are verified and in a new buffer. A chunk's digest is that of a blob of one chunk. */
export function readBlobRecord(index: StoreIndex, chunks: ChunkStore, digest: Digest): BlobRecord | undefined {
  const bytes = index.blobs.getBinary(digestKey(digest));
  if (bytes === undefined) {
    const chunk = chunks.record(digest);
    return chunk && { kind: "chunked", size: chunk.size, chunks: [{ digest, size: chunk.size }] };
  }
  const record = decodeBlobRecord(bytes, digest);
  if (record.kind === "inline" && digestOf(record.bytes) !== digest) {
    throw new CastoreError("corrupt", `blob ${digest} is damaged: its bytes in the index have another digest`, {
      context: { digest },
    });
  }
  return record;
}

/** What is to become of the bytes of one writer. */
class LocalPieces implements PieceWriterParts {
  readonly #parts: LocalBlobParts;
  readonly #session: ChunkSession;
  #head: Uint8Array[] = [];
  #headBytes = 0;
  #ingest: BlobIngest | undefined;

  constructor(parts: LocalBlobParts) {
    this.#parts = parts;
    this.#session = new ChunkSession(parts);
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#ingest === undefined && this.#headBytes + bytes.length <= CHUNK_BYTES_MIN) {
      this.#head.push(new Uint8Array(bytes));
      this.#headBytes += bytes.length;
      return;
    }
    try {
      if (this.#ingest === undefined) {
        this.#ingest = new BlobIngest(this.#session);
        const head = this.#head;
        this.#head = [];
        for (const part of head) await this.#ingest.write(part);
      }
      await this.#ingest.write(bytes);
    } catch (thrown) {
      throw storageError("storing a blob", thrown);
    }
  }

  async finish(): Promise<Digest> {
    try {
      return await this.#finish();
    } catch (thrown) {
      throw storageError("storing a blob", thrown);
    }
  }

  async #finish(): Promise<Digest> {
    if (this.#ingest !== undefined) {
      const { digest } = await this.#ingest.finish();
      await this.#session.commit();
      return digest;
    }
    const bytes = concatBytes(this.#head);
    this.#head = [];
    if (bytes.length <= INLINE_BYTES_MAX) {
      const digest = digestOf(bytes);
      await keepInline(this.#parts, digest, bytes);
      return digest;
    }
    const digest = await this.#session.wholeBlob(bytes);
    await this.#session.commit();
    return digest;
  }

  async discard(): Promise<void> {
    this.#head = [];
    this.#ingest = undefined;
    await this.#session.settle();
  }
}

/** Stores contents that fit into the index, or stamps what is there. */
async function keepInline({ index, commits }: LocalBlobParts, digest: Digest, bytes: Uint8Array): Promise<void> {
  const key = digestKey(digest);
  if (isCurrent(index, index.blobs, key)) return;
  const record = new Uint8Array(INLINE_HEAD.length + bytes.length);
  record.set(INLINE_HEAD);
  record.set(bytes, INLINE_HEAD.length);
  try {
    await commits.run(() => {
      const epoch = currentEpoch(index);
      if (restamp(index.blobs, key, epoch)) return;
      stamp(record, epoch);
      index.blobs.putSync(key, record);
    });
  } catch (thrown) {
    throw storageError(`storing blob ${digest}`, thrown);
  }
}
