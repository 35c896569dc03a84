/*
A stream of chunks read as a parser wants it: so many bytes, or whatever comes next, or back what was one too much. It holds one chunk at a
time; what it hands out are views of the chunks that came in.
*/

import { concatBytes } from "./bytes.ts";
import type { ByteStream } from "./stream.ts";

export class ByteSource implements AsyncDisposable {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #unread: Uint8Array | undefined;
  #offset = 0;

  constructor(stream: ByteStream) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /** How many bytes were handed out and not given back. */
  get offset(): number {
    return this.#offset;
  }

  /** The next chunk, never empty; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    let chunk = this.#unread;
    this.#unread = undefined;
    while (chunk === undefined || chunk.length === 0) {
      const { done, value } = await this.#iterator.next();
      if (done) return undefined;
      chunk = value;
    }
    this.#offset += chunk.length;
    return chunk;
  }

  /** Gives back the end of what `next` or `exactly` handed out last. */
  unread(bytes: Uint8Array): void {
    this.#offset -= bytes.length;
    if (bytes.length > 0) this.#unread = this.#unread === undefined ? bytes : concatBytes([bytes, this.#unread]);
  }

  /** The next `length` bytes in one buffer; throws `short()` when the stream ends before. Meant for short pieces. */
  async exactly(length: number, short: () => Error): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let lacking = length; lacking > 0; ) {
      const chunk = await this.next();
      if (chunk === undefined) throw short();
      const part = chunk.subarray(0, lacking);
      if (part.length < chunk.length) this.unread(chunk.subarray(part.length));
      lacking -= part.length;
      // A chunk is good only until the next one is asked for.
      parts.push(lacking > 0 ? new Uint8Array(part) : part);
    }
    return parts.length === 1 ? parts[0] : concatBytes(parts);
  }

  /** Tells the producer that no more is wanted. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#iterator.return?.();
  }
}
