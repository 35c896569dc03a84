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

export class Chunker {
  /** The beginning of the next chunk, from pieces that are no more. */
  #held = new Uint8Array(CHUNK_BYTES_MAX);
  #heldBytes = 0;
  #spare = new Uint8Array(CHUNK_BYTES_MAX);
  #piece: Uint8Array = NO_BYTES;

  /** Takes the next piece. It stays the caller's, but must be as it is until `take` yields undefined. */
  push(piece: Uint8Array): void {
    this.#piece = piece;
  }

  /** The next chunk, undefined when more bytes are needed to know it, or with `isEnd` when there is none left. A view, good until the next call. */
  take(isEnd: boolean): Uint8Array | undefined {
    return this.#heldBytes === 0 ? this.#takeFromPiece(isEnd) : this.#takeAcross(isEnd);
  }

  #takeFromPiece(isEnd: boolean): Uint8Array | undefined {
    const piece = this.#piece;
    if (piece.length === 0) return undefined;
    if (!isEnd && piece.length < CHUNK_BYTES_MAX) {
      this.#held.set(piece);
      this.#heldBytes = piece.length;
      this.#piece = NO_BYTES;
      return undefined;
    }
    const length = firstChunkBytes(piece);
    this.#piece = piece.subarray(length);
    return piece.subarray(0, length);
  }

  #takeAcross(isEnd: boolean): Uint8Array | undefined {
    const held = this.#held;
    const before = this.#heldBytes;
    const added = this.#piece.subarray(0, CHUNK_BYTES_MAX - before);
    held.set(added, before);
    const all = before + added.length;
    if (!isEnd && all < CHUNK_BYTES_MAX) {
      this.#heldBytes = all;
      this.#piece = NO_BYTES;
      return undefined;
    }
    const length = firstChunkBytes(held.subarray(0, all));
    this.#piece = this.#piece.subarray(Math.max(0, length - before));
    this.#heldBytes = Math.max(0, before - length);
    if (this.#heldBytes > 0) {
      // The chunk that is handed out must stay as it is.
      this.#spare.set(held.subarray(length, before));
      this.#held = this.#spare;
      this.#spare = held;
    }
    return held.subarray(0, length);
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
