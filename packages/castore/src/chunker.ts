/*
Contents cut into chunks as they come (docs/formats/chunks.md). `Chunker` is fed and drained by whoever has the bytes; `chunksOf` is the same
over a stream. A chunk is known to end only when a chunk's largest length of bytes is there, or the end.
*/

import type { ByteStream } from "@firn/base";
import { CHUNK_BYTES_MAX, firstChunkBytes } from "@firn/hash";
import { digestOf } from "./digest.ts";
import type { Digest } from "./node.ts";

const BUFFER_BYTES = 2 * CHUNK_BYTES_MAX;

export class Chunker {
  #buffer = new Uint8Array(BUFFER_BYTES);
  #from = 0;
  #to = 0;

  /** Takes as much of `bytes` as there is room for and says how much that was; `take` makes room. The bytes stay the caller's. */
  push(bytes: Uint8Array): number {
    if (this.#from > 0 && this.#to === BUFFER_BYTES) {
      this.#buffer.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    const part = bytes.subarray(0, BUFFER_BYTES - this.#to);
    this.#buffer.set(part, this.#to);
    this.#to += part.length;
    return part.length;
  }

  /** The next chunk, undefined when more bytes are needed to know it, or with `isEnd` when there is none left. A view, good until the next `push`. */
  take(isEnd: boolean): Uint8Array | undefined {
    const rest = this.#buffer.subarray(this.#from, this.#to);
    if (rest.length === 0 || (!isEnd && rest.length < CHUNK_BYTES_MAX)) return undefined;
    const length = firstChunkBytes(rest);
    this.#from += length;
    return rest.subarray(0, length);
  }
}

export type Chunk = { readonly digest: Digest; readonly bytes: Uint8Array };

/** The chunks of a stream's contents, in order; their bytes are the consumer's only until it asks for the next. No bytes have no chunks. */
export async function* chunksOf(stream: ByteStream): AsyncGenerator<Chunk, void> {
  const chunker = new Chunker();
  for await (const bytes of stream) {
    for (let at = 0; at < bytes.length; ) {
      at += chunker.push(bytes.subarray(at));
      for (let chunk = chunker.take(false); chunk !== undefined; chunk = chunker.take(false))
        yield { digest: digestOf(chunk), bytes: chunk };
    }
  }
  for (let chunk = chunker.take(true); chunk !== undefined; chunk = chunker.take(true))
    yield { digest: digestOf(chunk), bytes: chunk };
}
