/*
Where contents live: blobs, named by the BLAKE3 digest of their bytes. How a backend cuts, compresses or places them is its own affair.
*/

import type { ByteStream } from "@firn/base";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";

/** What a backend can do; wrappers compute theirs from their parts, contract suites skip by it alone. */
export type BlobServiceSupports = {
  readonly write: boolean;
  /** `chunks` may answer more than `[]`, and chunk digests are readable as blobs. */
  readonly chunks: boolean;
  /** What was written may be gone at any time: good for the near side of a cache alone. */
  readonly forgets?: boolean;
};

export type ChunkMeta = { readonly digest: Digest; readonly size: number };

export interface BlobService {
  readonly supports: BlobServiceSupports;

  /** Whether the blob is there. With a lease, a `true` is a promise until the lease ends. */
  has(digest: Digest, options?: CallOptions): Promise<boolean>;

  /** A reader, or undefined when the blob is absent. Bytes a reader yields must have been verified against the digest. */
  openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined>;

  /** A writer for one new blob. Nothing is visible before its `close()`; a writer that is aborted or dropped leaves nothing behind. */
  openWrite(options?: CallOptions): BlobWriter;

  /** Stores `bytes` whole and yields their digest: the quick way for what is in memory anyway. The buffer stays the caller's. */
  put(bytes: Uint8Array, options?: CallOptions): Promise<Digest>;

  /** undefined: absent. []: present, not cut any finer. Otherwise the chunks in order; their sizes add up to the blob's. */
  chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined>;

  /**
   * The blob's outboard (docs/formats/bao.md), undefined when the blob is absent. Only services that keep outboards, or can ask a
   * peer for one, have it; `outboardOf` makes one where it lacks. Receivers must not trust it further than slices of it verify.
   */
  outboard?(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined>;
}

export interface BlobReader extends AsyncDisposable {
  /** Length of the blob in bytes. */
  readonly size: number;
  /** The bytes `[from, to)`, clipped to the blob, as a single-use stream. Several may run at once. Chunks belong to the consumer. */
  stream(from?: number, to?: number): ByteStream;
  /** Frees what the reader holds. Closing twice is allowed. */
  close(): Promise<void>;
}

export interface BlobWriter extends AsyncDisposable {
  /** Appends bytes; resolves when more may be written. The buffer is the caller's again once resolved. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the blob durable and visible, and yields its digest. Closing twice yields the same digest. */
  close(): Promise<Digest>;
  /** Forgets what was written. After `close()` it does nothing; it is what disposal does. */
  abort(): Promise<void>;
}
