/*
A stream of unknown length inside a connection: pieces with their lengths, not padded, and an empty one as the end. Follows FramedSource and FramedSink.
*/

import type { ByteStream } from "@firn/base";
import { type WireReader, WireWriter } from "./wire.ts";

/** Pieces are handed on as they come, so their length needs no limit but this one against nonsense. */
const FRAME_BYTES_MAX = 2 ** 40;

/** The bytes of a framed stream. Whoever stops early calls `drain`, or nothing that follows can be read. */
export class WorkerFrames {
  readonly #from: WireReader;
  #ended = false;
  readonly #pieces: AsyncGenerator<Uint8Array, void>;

  constructor(from: WireReader) {
    this.#from = from;
    this.#pieces = this.#read();
  }

  /** The pieces, good until the next one is asked for. Leaving the loop over them early does not end the stream. */
  async *bytes(): ByteStream {
    for (let piece = await this.#pieces.next(); !piece.done; piece = await this.#pieces.next()) yield piece.value;
  }

  /** Reads what is left. */
  async drain(): Promise<void> {
    while (!this.#ended) await this.#pieces.next();
  }

  async *#read(): AsyncGenerator<Uint8Array, void> {
    try {
      for (;;) {
        const length = await this.#from.count(FRAME_BYTES_MAX, "bytes in a frame");
        if (length === 0) return;
        yield* this.#from.raw(length);
      }
    } finally {
      this.#ended = true;
    }
  }
}

/** The head of a piece of this length; 0 ends the stream. */
export function workerFrameHead(length: number): Uint8Array {
  return new WireWriter().integer(length).take();
}
