/*
A blob read through its chunks: a reader over a list of them and a BlobService that knows them, as from a peer that only has the list, or
from a store that has some of them. Each chunk is verified by the service it comes from, so no byte is handed out unverified; that the
list is the blob's is what `verifyChunkList` says, and what a digest over all of it would.
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

export class ChunkedReader implements BlobReader {
  readonly size: number;
  readonly #chunks: readonly ChunkMeta[];
  /** Where each chunk begins, and the end. */
  readonly #starts: Float64Array;
  readonly #blobs: Pick<BlobService, "openRead">;
  readonly #options: CallOptions | undefined;
  #isClosed = false;

  /** Throws `limit` for a chunk that is too long. `options` go with every read. */
  constructor(chunks: readonly ChunkMeta[], blobs: Pick<BlobService, "openRead">, options?: CallOptions) {
    this.#chunks = chunks;
    this.#blobs = blobs;
    this.#options = options;
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
      throwIfAborted(this.#options?.signal);
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
    const bytes = await readBlob(this.#blobs as BlobService, chunk.digest, CHUNK_BYTES_LIMIT, this.#options);
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
  blobs: Pick<BlobService, "openRead">,
  options?: CallOptions,
): Promise<void> {
  const hasher = createHasher("blake3");
  for await (const bytes of new ChunkedReader(chunks, blobs, options).stream()) hasher.update(bytes);
  if (toHex(hasher.digest()) === digest) return;
  throw new CastoreError("corrupt", `a list of chunks is not blob ${digest}'s`, { context: { digest } });
}
