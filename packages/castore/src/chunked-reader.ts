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

/** Chunks read while earlier ones go out; where several come at once, at least so many times. */
const AHEAD_CHUNKS = 4;
const AHEAD_RUNS = 2;
/** Longest chunk that is accepted, in bytes: other programs may cut more coarsely than Firn. */
const CHUNK_BYTES_LIMIT = 64 * 1024 * 1024;

/** Reads one chunk, whole, verified, in a buffer that is the caller's; `missing` when it is not there. */
export type ReadChunk = (chunk: ChunkMeta) => Promise<Uint8Array>;

/** Several chunks of a blob that are read together: how many, and their bytes, verified, one behind the other in a buffer that is the caller's. */
export type ChunkRun = { readonly count: number; readonly bytes: Promise<Uint8Array> };

/** Begins to read `chunks[from]` and what comes cheaply along with it of those behind it, before `to`. */
export type ReadRun = (chunks: readonly ChunkMeta[], from: number, to: number) => ChunkRun;

/** Chunks read through a service that knows them as blobs. */
export function chunksFrom(blobs: Pick<BlobService, "openRead">, options?: CallOptions): ReadChunk {
  return (chunk) => readBlob(blobs, chunk.digest, CHUNK_BYTES_LIMIT, options);
}

export class ChunkedReader implements BlobReader {
  readonly size: number;
  readonly #chunks: readonly ChunkMeta[];
  /** Where each chunk begins, and the end. */
  readonly #starts: Float64Array;
  readonly #readRun: ReadRun;
  readonly #signal: AbortSignal | undefined;
  #isClosed = false;

  /** Throws `limit` for a chunk that is too long. */
  constructor(chunks: readonly ChunkMeta[], readChunk: ReadChunk, signal?: AbortSignal, readRun?: ReadRun) {
    this.#chunks = chunks;
    this.#readRun = readRun ?? ((all, from) => ({ count: 1, bytes: readChunk(all[from]) }));
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
    const ahead: ChunkRun[] = [];
    let next = this.#chunkAt(start);
    const last = this.#chunkAt(end - 1);
    for (let i = next; i <= last; ) {
      while (next <= last && (next < i + AHEAD_CHUNKS || ahead.length < AHEAD_RUNS)) {
        const run = this.#read(next, last + 1);
        run.bytes.catch(() => {}); // it is thrown where it is awaited, or nobody asks any more
        ahead.push(run);
        next += run.count;
      }
      throwIfAborted(this.#signal);
      if (this.#isClosed) throw new CastoreError("closed", "the blob reader is closed");
      const run = ahead.shift() as ChunkRun;
      const bytes = await run.bytes;
      const part = bytes.subarray(Math.max(0, start - this.#starts[i]), Math.min(bytes.length, end - this.#starts[i]));
      i += run.count;
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

  #read(from: number, to: number): ChunkRun {
    const { count, bytes } = this.#readRun(this.#chunks, from, to);
    return { count, bytes: this.#measured(bytes, from, from + count) };
  }

  async #measured(reading: Promise<Uint8Array>, from: number, to: number): Promise<Uint8Array> {
    const bytes = await reading;
    const size = this.#starts[to] - this.#starts[from];
    if (bytes.length === size) return bytes;
    const { digest } = this.#chunks[from];
    throw new CastoreError("corrupt", `chunk ${digest} has ${bytes.length} bytes, the list says ${size}`, {
      context: { digest },
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
