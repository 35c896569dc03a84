/*
A log that ends at a number of bytes: what passes it is dropped and one line says so, while the build goes on. It also wakes those who
follow it in this process.
*/

import { bytesOf } from "@firn/base";
import type { LiveLog } from "./live-logs.ts";

/** Most bytes of log an attempt keeps when nothing else is set, without the line that says that more was dropped. */
export const LOG_BYTES_MAX = 256 * 1024 * 1024;

export class CappedLog {
  readonly #log: LiveLog;
  readonly #bytesMax: number;
  #full = false;
  #closed = false;
  #change: PromiseWithResolvers<void> | undefined;

  constructor(log: LiveLog, bytesMax = LOG_BYTES_MAX) {
    this.#log = log;
    this.#bytesMax = bytesMax;
  }

  get length(): number {
    return this.#log.length;
  }

  get closed(): boolean {
    return this.#closed;
  }

  append(bytes: Uint8Array): void {
    if (this.#full || this.#closed || bytes.length === 0) return;
    const room = this.#bytesMax - this.#log.length;
    if (bytes.length <= room) this.#log.append(bytes);
    else {
      this.#full = true;
      if (room > 0) this.#log.append(bytes.subarray(0, room));
      this.#log.append(bytesOf(`\n[the log has more than ${this.#bytesMax} bytes, the rest was not kept]\n`));
    }
    this.#wake();
  }

  /** No more will come: followers end. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#log.close();
    this.#wake();
  }

  /** Resolves at the next append or close after this call. */
  changed(): Promise<void> {
    this.#change ??= Promise.withResolvers();
    return this.#change.promise;
  }

  #wake(): void {
    const change = this.#change;
    this.#change = undefined;
    change?.resolve();
  }
}
