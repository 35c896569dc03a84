/* Damaged inputs for fuzzing: good ones with a few bytes changed, taken out, put in or repeated; the same ones for the same seed. */

import { concatBytes } from "@firn/base";

export class Mutator {
  #state: number;

  constructor(seed: number) {
    this.#state = seed || 1;
  }

  /** xorshift: from 0 up to, not including, `below`. */
  readonly random = (below: number): number => {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % below;
  };

  /** One of the inputs, damaged. */
  readonly mutated = (seeds: readonly Uint8Array[]): Uint8Array => {
    const { random } = this;
    let bytes = new Uint8Array(seeds[random(seeds.length)]);
    for (let edits = 1 + random(4); edits > 0; edits--) {
      const at = random(bytes.length + 1);
      const length = random(12);
      switch (random(5)) {
        case 0:
          if (bytes.length > 0) bytes[at % bytes.length] = random(256);
          break;
        case 1:
          if (bytes.length > 0) bytes[at % bytes.length] ^= 1 << random(8);
          break;
        case 2:
          bytes = concatBytes([bytes.subarray(0, at), bytes.subarray(at + length)]) as Uint8Array<ArrayBuffer>;
          break;
        case 3:
          bytes = concatBytes([
            bytes.subarray(0, at),
            Uint8Array.from({ length }, () => (random(3) === 0 ? 255 : random(256))),
            bytes.subarray(at),
          ]) as Uint8Array<ArrayBuffer>;
          break;
        default: {
          const from = random(bytes.length + 1);
          bytes = concatBytes([
            bytes.subarray(0, at),
            bytes.subarray(from, from + 8 * length),
            bytes.subarray(at),
          ]) as Uint8Array<ArrayBuffer>;
        }
      }
    }
    return bytes;
  };
}
