/*
Blobs in memory: for tests, for browsers, and as the near side of caches. Bounded: either nothing is ever dropped to make room, or, where it is only a
cache's near side, what was used longest ago; then `has` says no more than that a blob is there now.
*/

import { concatBytes } from "@firn/base";
import type { BlobReader, BlobService, BlobServiceSupports, BlobWriter, ChunkMeta } from "./blob-service.ts";
import { BytesReader } from "./bytes-reader.ts";
import { digestOf } from "./digest.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import { LruMap } from "./lru-map.ts";
import { MemoryLeases } from "./memory-leases.ts";
import type { Digest } from "./node.ts";
import { PieceWriter } from "./piece-writer.ts";

export class MemoryBlobs implements BlobService {
  readonly supports: BlobServiceSupports;
  readonly #blobs: LruMap<Digest, Uint8Array>;
  readonly #leases: MemoryLeases;
  readonly #bytesMax: number;
  readonly #forgets: boolean;

  /** Holds at most `bytesMax` bytes of contents, 1 GiB when not said; `forgets` old ones rather than refuse new ones. */
  constructor(leases = new MemoryLeases(), bytesMax = 1 << 30, options: { readonly forgets?: boolean } = {}) {
    this.#leases = leases;
    this.#bytesMax = bytesMax;
    this.#forgets = options.forgets ?? false;
    this.supports = { write: true, chunks: false, ...(this.#forgets ? { forgets: true } : {}) };
    this.#blobs = new LruMap(bytesMax);
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#leases.begin(options);
    return this.#blobs.get(digest) !== undefined;
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    this.#leases.begin(options);
    const bytes = this.#blobs.get(digest);
    return bytes === undefined ? undefined : new BytesReader(bytes, options?.signal);
  }

  openWrite(options?: CallOptions): BlobWriter {
    this.#leases.begin(options);
    let parts: Uint8Array[] = [];
    let length = 0;
    return new PieceWriter(
      {
        append: async (bytes) => {
          length += bytes.length;
          if (length > this.#bytesMax) throw full(this.#bytesMax);
          parts.push(new Uint8Array(bytes));
        },
        finish: async () => this.#keep(concatBytes(parts)),
        discard: async () => {
          parts = [];
        },
      },
      options?.signal,
    );
  }

  async put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    this.#leases.begin(options);
    return this.#keep(new Uint8Array(bytes));
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    this.#leases.begin(options);
    return this.#blobs.get(digest) === undefined ? undefined : [];
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
