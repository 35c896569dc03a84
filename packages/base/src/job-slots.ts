/* A counted number of places, given out by urgency: the longest chain of work first, and first come, first served among equals. */

import { assert } from "./assert.ts";
import { throwIfAborted } from "./cancel.ts";

type Waiting = { readonly urgency: number; readonly give: () => void };

export class JobSlots {
  #free: number;
  /** Most urgent last. */
  readonly #waiting: Waiting[] = [];

  constructor(count: number) {
    assert(Number.isSafeInteger(count) && count >= 1, "there is at least one place for a job");
    this.#free = count;
  }

  /** Waits for a place; rejects with the signal's reason. Each place taken must be given back with `release`. */
  async take(signal?: AbortSignal, urgency = 0): Promise<void> {
    throwIfAborted(signal);
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      reject(signal?.reason);
    };
    const give = () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    };
    const waiting: Waiting = { urgency, give };
    this.#waiting.splice(this.#placeOf(urgency), 0, waiting);
    signal?.addEventListener("abort", onAbort, { once: true });
    await promise;
  }

  release(): void {
    const next = this.#waiting.pop();
    if (next === undefined) this.#free++;
    else next.give();
  }

  /** Below all that are as urgent: they came before. */
  #placeOf(urgency: number): number {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#waiting[middle].urgency < urgency) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
