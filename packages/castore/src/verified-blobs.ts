/*
Blobs from a source that is not trusted: no byte goes out before the blob's digest was checked. The blob is read once from end to end, which gives its
digest and that of each segment; ranges are then read again and compared segment by segment, so a source that changes its mind is found. What
fits into one segment is kept from the first reading.

A chunk list helps nothing here: it could list the right chunks of the wrong blob. In front of a slow source put a cache, which checks
what it takes in, instead of this.
*/

import { type ByteStream, piecesOf } from "@firn/base";
import { createHasher, toHex } from "@firn/hash";
import type { BlobReader, BlobService, BlobServiceSupports, BlobWriter, ChunkMeta } from "./blob-service.ts";
import { digestOf } from "./digest.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";
import { outboardOf } from "./outboard-of.ts";

const SEGMENT_BYTES = 256 * 1024;
/** Longest blob: its segments' digests are held while it is open. */
export const VERIFIED_BYTES_MAX = 2 ** 37;

export class VerifiedBlobs implements BlobService {
  readonly #inner: BlobService;

  constructor(inner: BlobService) {
    this.#inner = inner;
  }

  get supports(): BlobServiceSupports {
    return this.#inner.supports;
  }

  has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return this.#inner.has(digest, options);
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    const reader = await this.#inner.openRead(digest, options);
    if (reader === undefined) return undefined;
    try {
      if (reader.size > VERIFIED_BYTES_MAX)
        throw new CastoreError(
          "limit",
          `blob ${digest} has ${reader.size} bytes, at most ${VERIFIED_BYTES_MAX} can be verified`,
        );
      return await VerifiedReader.open(reader, digest);
    } catch (thrown) {
      await reader.close();
      throw thrown;
    }
  }

  openWrite(options?: CallOptions): BlobWriter {
    return this.#inner.openWrite(options);
  }

  put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    return this.#inner.put(bytes, options);
  }

  chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    return this.#inner.chunks(digest, options);
  }

  outboard(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined> {
    return outboardOf(this.#inner, digest, options);
  }
}

class VerifiedReader implements BlobReader {
  readonly size: number;
  readonly #inner: BlobReader;
  readonly #digest: Digest;
  readonly #segments: readonly Digest[];
  readonly #whole: Uint8Array | undefined;
  #closed = false;

  private constructor(inner: BlobReader, digest: Digest, segments: readonly Digest[], whole: Uint8Array | undefined) {
    this.size = inner.size;
    this.#inner = inner;
    this.#digest = digest;
    this.#segments = segments;
    this.#whole = whole;
  }

  static async open(inner: BlobReader, digest: Digest): Promise<VerifiedReader> {
    const hasher = createHasher("blake3");
    const segments: Digest[] = [];
    let segment: Uint8Array | undefined;
    let size = 0;
    for await (const bytes of piecesOf(inner.stream(), SEGMENT_BYTES)) {
      size += bytes.length;
      if (size > inner.size) break;
      hasher.update(bytes);
      segments.push(digestOf(bytes));
      segment = bytes;
    }
    if (size !== inner.size || toHex(hasher.digest()) !== digest) throw corrupt(digest);
    return new VerifiedReader(
      inner,
      digest,
      segments,
      segments.length <= 1 ? (segment ?? new Uint8Array()) : undefined,
    );
  }

  async *stream(from = 0, to = this.size): ByteStream {
    const start = Math.max(0, from);
    const end = Math.min(to, this.size);
    if (this.#closed) throw new CastoreError("closed", "the blob reader is closed");
    if (start >= end) return;
    if (this.#whole !== undefined) {
      yield new Uint8Array(this.#whole.subarray(start, end));
      return;
    }
    let index = Math.floor(start / SEGMENT_BYTES);
    let at = index * SEGMENT_BYTES;
    const last = Math.min(this.size, Math.ceil(end / SEGMENT_BYTES) * SEGMENT_BYTES);
    for await (const bytes of piecesOf(this.#inner.stream(at, last), SEGMENT_BYTES)) {
      if (digestOf(bytes) !== this.#segments[index]) throw corrupt(this.#digest);
      const part = bytes.subarray(Math.max(0, start - at), Math.min(bytes.length, end - at));
      at += bytes.length;
      index++;
      yield part;
    }
    if (at < end) throw corrupt(this.#digest);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#inner.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function corrupt(digest: Digest): CastoreError {
  return new CastoreError("corrupt", `blob ${digest} came with bytes of another digest`, { context: { digest } });
}
