/*
Pieces of work that go on while their owner does other things, a bounded number of them at a time. None of them is cancelled from here: each heeds the
signal it was made with.
*/

import { assert } from "./assert.ts";

export class Background {
  readonly #max: number;
  #running = 0;
  #failure: { readonly thrown: unknown } | undefined;
  /** Resolves when the next one ends; there while somebody waits for that. */
  #next: PromiseWithResolvers<void> | undefined;

  /** At most `max` run at the same time. */
  constructor(max: number) {
    assert(max >= 1, "at least one piece of work can run");
    this.#max = max;
  }

  /** Begins `work` as soon as there is room, and resolves then. Throws the first failure instead, if there was one. */
  async add(work: () => Promise<unknown>): Promise<void> {
    while (this.#running >= this.#max) await this.#nextEnd();
    this.check();
    void this.#run(work);
  }

  /** Throws the first failure there was. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.thrown;
  }

  /** Resolves when nothing runs any more; throws the first failure then. */
  async settle(): Promise<void> {
    await this.end();
    this.check();
  }

  /** Resolves when nothing runs any more, however it went. */
  async end(): Promise<void> {
    while (this.#running > 0) await this.#nextEnd();
  }

  async #run(work: () => Promise<unknown>): Promise<void> {
    this.#running++;
    try {
      await work();
    } catch (thrown) {
      this.#failure ??= { thrown };
    } finally {
      this.#running--;
      this.#next?.resolve();
      this.#next = undefined;
    }
  }

  #nextEnd(): Promise<void> {
    this.#next ??= Promise.withResolvers();
    return this.#next.promise;
  }
}
