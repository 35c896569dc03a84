/*
Blobs in memory: for tests, for browsers, and as the near side of caches. Bounded: either nothing is ever dropped to make room, or, where it is only a
cache's near side, what was used longest ago; then `has` says no more than that a blob is there now.
*/

import { type ByteStream, concatBytes, throwIfAborted } from "@firn/base";
import type { BlobReader, BlobService, BlobServiceSupports, BlobWriter, ChunkMeta } from "./blob-service.ts";
import { digestOf } from "./digest.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import { LruMap } from "./lru-map.ts";
import { MemoryLeases } from "./memory-leases.ts";
import type { Digest } from "./node.ts";

const STREAM_CHUNK_BYTES = 1 << 16;

export class MemoryBlobs implements BlobService {
  readonly supports: BlobServiceSupports = { write: true, chunks: false };
  readonly #blobs: LruMap<Digest, Uint8Array>;
  readonly #leases: MemoryLeases;
  readonly #bytesMax: number;
  readonly #forgets: boolean;

  /** Holds at most `bytesMax` bytes of contents, 1 GiB when not said; `forgets` old ones rather than refuse new ones. */
  constructor(leases = new MemoryLeases(), bytesMax = 1 << 30, options: { readonly forgets?: boolean } = {}) {
    this.#leases = leases;
    this.#bytesMax = bytesMax;
    this.#forgets = options.forgets ?? false;
    this.#blobs = new LruMap(bytesMax);
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#begin(options);
    return this.#blobs.get(digest) !== undefined;
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    this.#begin(options);
    const bytes = this.#blobs.get(digest);
    return bytes === undefined ? undefined : new MemoryReader(bytes, options?.signal);
  }

  openWrite(options?: CallOptions): BlobWriter {
    this.#begin(options);
    return new MemoryWriter((bytes) => this.#keep(bytes), this.#bytesMax, options?.signal);
  }

  async put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    this.#begin(options);
    return this.#keep(new Uint8Array(bytes));
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    this.#begin(options);
    return this.#blobs.get(digest) === undefined ? undefined : [];
  }

  #begin(options: CallOptions | undefined): void {
    throwIfAborted(options?.signal);
    this.#leases.check(options);
  }

  #keep(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    if (this.#blobs.get(digest) !== undefined) return digest;
    if (!this.#forgets && this.#blobs.weight + bytes.length > this.#bytesMax) throw full(this.#bytesMax);
    this.#blobs.set(digest, bytes, bytes.length);
    return digest;
  }
}

function full(bytesMax: number): CastoreError {
  return new CastoreError("limit", `the blobs in memory would pass ${bytesMax} bytes`);
}

class MemoryReader implements BlobReader {
  readonly size: number;
  readonly #signal: AbortSignal | undefined;
  #bytes: Uint8Array | undefined;

  constructor(bytes: Uint8Array, signal: AbortSignal | undefined) {
    this.#bytes = bytes;
    this.#signal = signal;
    this.size = bytes.length;
  }

  async *stream(from = 0, to = this.size): ByteStream {
    const end = Math.min(to, this.size);
    for (let at = Math.max(0, from); at < end; at += STREAM_CHUNK_BYTES) {
      throwIfAborted(this.#signal);
      if (this.#bytes === undefined) throw new CastoreError("closed", "the blob reader is closed");
      yield this.#bytes.slice(at, Math.min(end, at + STREAM_CHUNK_BYTES));
    }
  }

  async close(): Promise<void> {
    this.#bytes = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class MemoryWriter implements BlobWriter {
  readonly #keep: (bytes: Uint8Array) => Digest;
  readonly #bytesMax: number;
  readonly #signal: AbortSignal | undefined;
  #parts: Uint8Array[] | undefined = [];
  #length = 0;
  #digest: Digest | undefined;

  constructor(keep: (bytes: Uint8Array) => Digest, bytesMax: number, signal: AbortSignal | undefined) {
    this.#keep = keep;
    this.#bytesMax = bytesMax;
    this.#signal = signal;
  }

  async write(bytes: Uint8Array): Promise<void> {
    throwIfAborted(this.#signal);
    if (this.#parts === undefined) throw new CastoreError("closed", "the blob writer has ended");
    this.#length += bytes.length;
    if (this.#length > this.#bytesMax) throw full(this.#bytesMax);
    this.#parts.push(new Uint8Array(bytes));
  }

  async close(): Promise<Digest> {
    if (this.#digest !== undefined) return this.#digest;
    throwIfAborted(this.#signal);
    if (this.#parts === undefined) throw new CastoreError("closed", "the blob writer was aborted");
    this.#digest = this.#keep(concatBytes(this.#parts));
    this.#parts = undefined;
    return this.#digest;
  }

  async abort(): Promise<void> {
    this.#parts = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }
}
