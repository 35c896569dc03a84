/*
The order in which dead things go: what refers to something goes before it. Then "it is there" always means "so is what it needs, and neither was
looked at yet", and who is told so under a lease can rely on it.
*/

import type { DigestTable } from "./digest-table.ts";

/**
 * Numbers of a table so that each comes behind all that name it. `eachChild` calls back with the numbers in the table that a member names; members
 * that name each other in a circle come last, all of them, in no order.
 */
export class TopDown {
  readonly #waiting: Uint32Array;
  readonly #ready: Int32Array;
  readonly #eachChild: (number: number, visit: (child: number) => void) => void;
  #readyEnd = 0;
  #at = 0;

  constructor(table: DigestTable, eachChild: (number: number, visit: (child: number) => void) => void) {
    this.#eachChild = eachChild;
    this.#waiting = new Uint32Array(table.size);
    this.#ready = new Int32Array(table.size);
    for (let number = 0; number < table.size; number++) {
      eachChild(number, (child) => {
        if (child !== number) this.#waiting[child]++;
      });
    }
    for (let number = 0; number < table.size; number++)
      if (this.#waiting[number] === 0) this.#ready[this.#readyEnd++] = number;
  }

  /** All numbers in order, and from which of them on they are a circle's. */
  order(): { readonly numbers: Int32Array; readonly circleFrom: number } {
    while (this.#at < this.#readyEnd) {
      const number = this.#ready[this.#at++];
      this.#eachChild(number, (child) => {
        if (child !== number && --this.#waiting[child] === 0) this.#ready[this.#readyEnd++] = child;
      });
    }
    const circleFrom = this.#readyEnd;
    for (let number = 0; number < this.#waiting.length; number++)
      if (this.#waiting[number] > 0) this.#ready[this.#readyEnd++] = number;
    return { numbers: this.#ready, circleFrom };
  }
}
