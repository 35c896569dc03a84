/*
The log of an attempt under way: bytes come in, any number of readers follow from any offset, each at its own pace. It is kept
in memory until the attempt ends and becomes a blob then, so it is capped: what passes the cap is dropped and one line says so.
*/

import { bytesOf } from "@firn/base";

/** Most bytes of log an attempt keeps, without the line that says that more was dropped. */
export const LOG_BYTES_MAX = 64 * 1024 * 1024;

export class AttemptLog {
  readonly #chunks: Uint8Array[] = [];
  /** Offset of each chunk. */
  readonly #offsets: number[] = [];
  readonly #bytesMax: number;
  #length = 0;
  #full = false;
  #closed = false;
  #change = Promise.withResolvers<void>();

  constructor(bytesMax = LOG_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes kept so far. */
  get length(): number {
    return this.#length;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Appends bytes, which are the log's from now on. */
  append(bytes: Uint8Array): void {
    if (this.#full || this.#closed || bytes.length === 0) return;
    const room = this.#bytesMax - this.#length;
    if (bytes.length <= room) this.#push(bytes);
    else {
      this.#full = true;
      if (room > 0) this.#push(bytes.subarray(0, room));
      this.#push(bytesOf(`\n[the log has more than ${this.#bytesMax} bytes, the rest was not kept]\n`));
    }
    this.#wake();
  }

  /** No more will come: readers end. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Resolves at the next append or close after this call. */
  changed(): Promise<void> {
    return this.#change.promise;
  }

  /** The next bytes at offset `from`, at most one chunk of them, or undefined when there are none yet. Not to be written to. */
  read(from: number): Uint8Array | undefined {
    if (from >= this.#length) return undefined;
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#offsets[middle] <= from) low = middle;
      else high = middle - 1;
    }
    return this.#chunks[low].subarray(from - this.#offsets[low]);
  }

  #push(bytes: Uint8Array): void {
    this.#offsets.push(this.#length);
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  #wake(): void {
    const { resolve } = this.#change;
    this.#change = Promise.withResolvers<void>();
    resolve();
  }
}
