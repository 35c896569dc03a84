/*
A blob read through its chunks: a reader over a list of them and something that reads one, as a peer that only has the list, or a store that
has some of them. Who reads a chunk verifies it, so no byte is handed out unverified; whether the list is the blob's is for
`verifyChunkList` to say, where it does not come from someone who is trusted.
*/

import { type ByteStream, throwIfAborted } from "@firn/base";
import { createHasher, toHex } from "@firn/hash";
import type { BlobReader, BlobService, ChunkMeta } from "./blob-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import { readBlob } from "./lookup.ts";
import type { Digest } from "./node.ts";

/** Chunks read while earlier ones go out. */
const AHEAD_CHUNKS = 4;
/** Longest chunk that is accepted, in bytes: other programs may cut more coarsely than Firn. */
const CHUNK_BYTES_LIMIT = 64 * 1024 * 1024;

/** Reads one chunk, whole, verified, in a buffer that is the caller's; `missing` when it is not there. */
export type ReadChunk = (chunk: ChunkMeta) => Promise<Uint8Array>;

/** Chunks read through a service that knows them as blobs. */
export function chunksFrom(blobs: Pick<BlobService, "openRead">, options?: CallOptions): ReadChunk {
  return (chunk) => readBlob(blobs, chunk.digest, CHUNK_BYTES_LIMIT, options);
}

export class ChunkedReader implements BlobReader {
  readonly size: number;
  readonly #chunks: readonly ChunkMeta[];
  /** Where each chunk begins, and the end. */
  readonly #starts: Float64Array;
  readonly #readChunk: ReadChunk;
  readonly #signal: AbortSignal | undefined;
  #isClosed = false;

  /** Throws `limit` for a chunk that is too long. */
  constructor(chunks: readonly ChunkMeta[], readChunk: ReadChunk, signal?: AbortSignal) {
    this.#chunks = chunks;
    this.#readChunk = readChunk;
    this.#signal = signal;
    this.#starts = new Float64Array(chunks.length + 1);
    let size = 0;
    chunks.forEach((chunk, i) => {
      if (!Number.isSafeInteger(chunk.size) || chunk.size < 0 || chunk.size > CHUNK_BYTES_LIMIT) {
        throw new CastoreError(
          "limit",
          `chunk ${chunk.digest} has ${chunk.size} bytes, at most ${CHUNK_BYTES_LIMIT} are read`,
        );
      }
      size += chunk.size;
      this.#starts[i + 1] = size;
    });
    this.size = size;
  }

  /** `missing` when a chunk is not there, `corrupt` when it has another length than the list says. */
  async *stream(from = 0, to = this.size): ByteStream {
    const start = Math.max(0, from);
    const end = Math.min(to, this.size);
    if (start >= end) return;
    const ahead: Promise<Uint8Array>[] = [];
    let next = this.#chunkAt(start);
    for (let i = next; i < this.#chunks.length && this.#starts[i] < end; i++) {
      for (; next < this.#chunks.length && next < i + AHEAD_CHUNKS && this.#starts[next] < end; next++) {
        const reading = this.#read(this.#chunks[next]);
        reading.catch(() => {}); // it is thrown where it is awaited, or nobody asks any more
        ahead.push(reading);
      }
      throwIfAborted(this.#signal);
      if (this.#isClosed) throw new CastoreError("closed", "the blob reader is closed");
      const bytes = (await ahead.shift()) as Uint8Array;
      const part = bytes.subarray(Math.max(0, start - this.#starts[i]), Math.min(bytes.length, end - this.#starts[i]));
      if (part.length > 0) yield part;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The chunk that holds the byte at `at`. */
  #chunkAt(at: number): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle] <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  async #read(chunk: ChunkMeta): Promise<Uint8Array> {
    const bytes = await this.#readChunk(chunk);
    if (bytes.length === chunk.size) return bytes;
    throw new CastoreError("corrupt", `chunk ${chunk.digest} has ${bytes.length} bytes, the list says ${chunk.size}`, {
      context: { digest: chunk.digest },
    });
  }
}

/** Reads all chunks and checks that together they are the blob: `corrupt` when they are another. For a list from someone who is not trusted. */
export async function verifyChunkList(
  digest: Digest,
  chunks: readonly ChunkMeta[],
  readChunk: ReadChunk,
  signal?: AbortSignal,
): Promise<void> {
  const hasher = createHasher("blake3");
  for await (const bytes of new ChunkedReader(chunks, readChunk, signal).stream()) hasher.update(bytes);
  if (toHex(hasher.digest()) === digest) return;
  throw new CastoreError("corrupt", `a list of chunks is not blob ${digest}'s`, { context: { digest } });
}
