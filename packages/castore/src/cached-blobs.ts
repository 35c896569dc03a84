/*
Blobs of a far place, kept near once they were asked for. What is filled in comes in once however many ask, only with those chunks that are not near yet,
and is checked before anyone reads it. Writes go to the near side alone, or to the far one where the near one forgets; leases go near, the far side being
trusted to keep what it has.
*/

import { throwIfAborted } from "@firn/base";
import type { BlobReader, BlobService, BlobServiceSupports, BlobWriter, ChunkMeta } from "./blob-service.ts";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";
import { computeOutboard } from "./outboard-of.ts";
import { SingleFlight } from "./single-flight.ts";
import { transferBlob } from "./transfer.ts";

export class CachedBlobs implements BlobService {
  readonly #near: BlobService;
  readonly #far: BlobService;
  readonly #filling = new SingleFlight<Digest, boolean>();

  constructor(near: BlobService, far: BlobService) {
    this.#near = near;
    this.#far = far;
  }

  get supports(): BlobServiceSupports {
    const { chunks } = this.#near.supports;
    const { write, forgets } = (this.#near.supports.forgets ? this.#far : this.#near).supports;
    return { write, chunks: chunks || this.#far.supports.chunks, ...(forgets ? { forgets } : {}) };
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return (await this.#near.has(digest, options)) || (await this.#far.has(digest, farOptions(options)));
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    const there = await this.#near.openRead(digest, options);
    if (there !== undefined) return there;
    const fill = (signal: AbortSignal) =>
      transferBlob(digest, this.#far, this.#near, { signal, lease: options?.lease });
    if (!(await this.#filling.run(digest, fill, options?.signal))) return undefined;
    // A near side that forgets may have lost it again, or never have kept it.
    return (await this.#near.openRead(digest, options)) ?? (await this.#far.openRead(digest, farOptions(options)));
  }

  openWrite(options?: CallOptions): BlobWriter {
    return this.#near.supports.forgets ? this.#far.openWrite(farOptions(options)) : this.#near.openWrite(options);
  }

  put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    return this.#near.supports.forgets ? this.#far.put(bytes, farOptions(options)) : this.#near.put(bytes, options);
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    return (await this.#near.chunks(digest, options)) ?? (await this.#far.chunks(digest, farOptions(options)));
  }

  /** Of the side that keeps outboards; made by reading the blob, which brings it near, when neither does. */
  async outboard(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined> {
    const kept =
      (await this.#near.outboard?.(digest, options)) ?? (await this.#far.outboard?.(digest, farOptions(options)));
    return kept ?? computeOutboard(this, digest, options);
  }
}

/** What a call on the far side gets of a call's options: its lease is the near side's. */
export function farOptions(options: CallOptions | undefined): CallOptions {
  throwIfAborted(options?.signal);
  return { signal: options?.signal };
}
