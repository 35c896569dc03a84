/*
Contents cut into chunks as they come (docs/formats/chunks.md). `Chunker` is fed and drained by whoever has the bytes; `chunksOf` is the same
over a stream. A chunk is known to end only when a chunk's largest length of bytes is there, or the end. What lies within one piece is cut out of it where
it is; only chunks that begin in one piece and end in another are copied.
*/

import type { ByteStream } from "@firn/base";
import { CHUNK_BYTES_MAX, firstChunkBytes } from "@firn/hash";
import { digestOf } from "./digest.ts";
import type { Digest } from "./node.ts";

const NO_BYTES = new Uint8Array(0);
/** Some chunks' lengths, so that what is held is seldom moved to make room behind it. */
const HELD_BYTES = 4 * CHUNK_BYTES_MAX;

export class Chunker {
  /** From `#from` to `#to` it holds the beginning of the next chunk, from pieces that are no more. */
  readonly #held = new Uint8Array(HELD_BYTES);
  #from = 0;
  #to = 0;
  #piece: Uint8Array = NO_BYTES;

  /** Takes the next piece. It stays the caller's, but must be as it is until `take` yields undefined. */
  push(piece: Uint8Array): void {
    this.#piece = piece;
  }

  /** The next chunk, undefined when more bytes are needed to know it, or with `isEnd` when there is none left. A view, good until the next call. */
  take(isEnd: boolean): Uint8Array | undefined {
    return this.#from === this.#to ? this.#takeFromPiece(isEnd) : this.#takeAcross(isEnd);
  }

  #takeFromPiece(isEnd: boolean): Uint8Array | undefined {
    const piece = this.#piece;
    if (piece.length === 0 || (!isEnd && piece.length < CHUNK_BYTES_MAX)) {
      this.#hold(piece);
      this.#piece = NO_BYTES; // not even an empty view of it: the caller may have given its memory away
      return undefined;
    }
    const length = firstChunkBytes(piece);
    this.#piece = piece.subarray(length);
    return piece.subarray(0, length);
  }

  #takeAcross(isEnd: boolean): Uint8Array | undefined {
    const before = this.#to - this.#from;
    const piece = this.#piece;
    const added = piece.subarray(0, CHUNK_BYTES_MAX - before);
    this.#hold(added);
    const all = this.#held.subarray(this.#from, this.#to);
    this.#piece = added.length === piece.length ? NO_BYTES : piece.subarray(added.length);
    if (!isEnd && all.length < CHUNK_BYTES_MAX) return undefined;
    const length = firstChunkBytes(all);
    this.#from += length;
    if (length >= before) {
      // What follows can be cut out of the piece where it is.
      this.#piece = piece.subarray(length - before);
      this.#from = 0;
      this.#to = 0;
    }
    return all.subarray(0, length);
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length > HELD_BYTES - this.#to) {
      this.#held.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    this.#held.set(bytes, this.#to);
    this.#to += bytes.length;
  }
}

export type Chunk = { readonly digest: Digest; readonly bytes: Uint8Array };

/** The chunks of a stream's contents, in order; their bytes are the consumer's only until it asks for the next. No bytes have no chunks. */
export async function* chunksOf(stream: ByteStream): AsyncGenerator<Chunk, void> {
  const chunker = new Chunker();
  for await (const bytes of stream) {
    chunker.push(bytes);
    for (let chunk = chunker.take(false); chunk !== undefined; chunk = chunker.take(false))
      yield { digest: digestOf(chunk), bytes: chunk };
  }
  for (let chunk = chunker.take(true); chunk !== undefined; chunk = chunker.take(true))
    yield { digest: digestOf(chunk), bytes: chunk };
}
