/*
Blobs of a static store. A short one comes whole and is hashed; of a longer one any range comes with the outboard, which proves it 16 KiB at a time against the digest, be
it one file or cut into chunks. The server is believed in nothing.
*/

import { type ByteStream, collectBytes } from "@firn/base";
import {
  type BlobReader,
  type BlobService,
  type BlobServiceSupports,
  type BlobWriter,
  BytesReader,
  type CallOptions,
  CastoreError,
  CHUNK_LIST_BYTES_MAX,
  ChunkedReader,
  type ChunkMeta,
  computeOutboard,
  type Digest,
  digestOf,
  outboardSize,
  parseChunkList,
  STATIC_WHOLE_BYTES_MAX,
  staticName,
  verifiedRange,
} from "@firn/castore";
import type { StaticFiles } from "./static-files.ts";

/** Longest chunk, in bytes. */
const CHUNK_BYTES_MAX = 64 * 1024 * 1024;
/** Longest outboard, in bytes: of a blob of 16 GiB. */
const OUTBOARD_BYTES_MAX = 64 * 1024 * 1024;

type Source = Pick<BlobReader, "size" | "stream">;

export class StaticBlobs implements BlobService {
  readonly supports: BlobServiceSupports = { write: false, chunks: true };
  readonly #files: StaticFiles;

  constructor(files: StaticFiles) {
    this.#files = files;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    const { signal } = options ?? {};
    return (
      (await this.#files.has(staticName("blobs", digest), signal)) ||
      (await this.#files.has(staticName("lists", digest), signal))
    );
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    const { signal } = options ?? {};
    const name = staticName("blobs", digest);
    const file = await this.#files.open(name, { from: 0, to: STATIC_WHOLE_BYTES_MAX }, signal);
    if (file === undefined) return this.#openChunked(digest, options);
    const { size } = file;
    if (size <= STATIC_WHOLE_BYTES_MAX) {
      const bytes = await collectBytes(file.body, size, () => corrupt(digest, this.#files.label));
      if (digestOf(bytes) !== digest) throw corrupt(digest, this.#files.label);
      return new BytesReader(bytes, signal);
    }
    // Its beginning is asked for again, with the proof.
    file.close();
    const files = this.#files;
    const stream = async function* (from = 0, to = size): ByteStream {
      const part = await files.open(name, { from, to }, signal);
      if (part === undefined) throw new CastoreError("missing", `${files.label}: ${name} went away while it was read`);
      if (!part.isWhole) return yield* part.body;
      yield* cut(part.body, from, to);
    };
    return this.#openVerified(digest, { size, stream }, options);
  }

  openWrite(): BlobWriter {
    throw readOnly(this.#files);
  }

  async put(): Promise<Digest> {
    throw readOnly(this.#files);
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    const { signal } = options ?? {};
    const list = await this.#files.read(staticName("lists", digest), CHUNK_LIST_BYTES_MAX, signal);
    if (list !== undefined) return parseChunkList(list);
    return (await this.#files.has(staticName("blobs", digest), signal)) ? [] : undefined;
  }

  /** Of a blob that is too short to have one there, it is made here. */
  async outboard(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined> {
    const found = await this.#files.read(staticName("outboards", digest), OUTBOARD_BYTES_MAX, options?.signal);
    return found ?? computeOutboard(this, digest, options);
  }

  async #openChunked(digest: Digest, options: CallOptions | undefined): Promise<BlobReader | undefined> {
    const { signal } = options ?? {};
    const list = await this.#files.read(staticName("lists", digest), CHUNK_LIST_BYTES_MAX, signal);
    if (list === undefined) return undefined;
    const readChunk = async (chunk: ChunkMeta) => {
      const bytes = await this.#files.read(staticName("blobs", chunk.digest), CHUNK_BYTES_MAX, signal);
      if (bytes === undefined)
        throw new CastoreError("missing", `${this.#files.label}: chunk ${chunk.digest} is missing`);
      return bytes;
    };
    return this.#openVerified(digest, new ChunkedReader(parseChunkList(list), readChunk, signal), options);
  }

  async #openVerified(digest: Digest, source: Source, options: CallOptions | undefined): Promise<BlobReader> {
    const { signal } = options ?? {};
    const outboard = await this.#files.read(staticName("outboards", digest), OUTBOARD_BYTES_MAX, signal);
    if (outboard === undefined)
      throw new CastoreError("missing", `${this.#files.label} has no outboard of blob ${digest}`);
    const { size } = source;
    if (outboardSize(outboard) !== size) throw corrupt(digest, this.#files.label);
    // The last leaf proves the size.
    for await (const _ of verifiedRange(digest, source, outboard, size, size));
    return new VerifiedRangeReader(digest, source, outboard, this.#files.label);
  }
}

/** A blob whose ranges are proven as they come. */
class VerifiedRangeReader implements BlobReader {
  readonly size: number;
  readonly #digest: Digest;
  readonly #source: Source;
  readonly #outboard: Uint8Array;
  readonly #label: string;
  #isClosed = false;

  constructor(digest: Digest, source: Source, outboard: Uint8Array, label: string) {
    this.size = source.size;
    this.#digest = digest;
    this.#source = source;
    this.#outboard = outboard;
    this.#label = label;
  }

  async *stream(from = 0, to = this.size): ByteStream {
    const start = Math.max(0, from);
    const end = Math.min(to, this.size);
    if (start >= end) return;
    if (this.#isClosed) throw new CastoreError("closed", "the blob reader is closed");
    try {
      for await (const bytes of verifiedRange(this.#digest, this.#source, this.#outboard, start, end)) {
        if (this.#isClosed) throw new CastoreError("closed", "the blob reader is closed");
        yield bytes;
      }
    } catch (thrown) {
      if (!(thrown instanceof CastoreError) || thrown.code !== "corrupt") throw thrown;
      throw new CastoreError("corrupt", `${this.#label}: ${thrown.message}`, {
        cause: thrown,
        context: thrown.context,
      });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The bytes `[from, to)` of a stream that is all of a file. */
async function* cut(stream: ByteStream, from: number, to: number): ByteStream {
  let at = 0;
  for await (const bytes of stream) {
    const part = bytes.subarray(Math.max(0, from - at), Math.max(0, to - at));
    at += bytes.length;
    if (part.length > 0) yield part;
    if (at >= to) return;
  }
}

function corrupt(digest: Digest, label: string): CastoreError {
  return new CastoreError("corrupt", `${label}: what came for blob ${digest} is not it`, { context: { digest } });
}

function readOnly(files: StaticFiles): CastoreError {
  return new CastoreError("unsupported", `${files.label} is only read: firn store publish writes such a store`);
}
