/*
A command line of Nix's older programs, word by word. Letters behind one dash stand for flags of their own (`-vv`), what else is behind them for an
operand (`-j4`). A program's own flags and
those of all programs speak differently of an operand that is missing, as getArg and Args::processFlag of C++ Nix do.
*/

import { UsageError } from "./usage-error.ts";

export class Words {
  readonly #words: string[];
  #at = 0;

  constructor(argv: readonly string[]) {
    this.#words = [...argv];
  }

  /** The words that are left, each taken when it is asked for; operands that were taken meanwhile are not taken apart. */
  *[Symbol.iterator](): Generator<string, void> {
    while (this.#at < this.#words.length) {
      const [, letters, rest] = /^-([A-Za-z]+)(.*)$/s.exec(this.#words[this.#at]) ?? [];
      if (letters !== undefined) {
        const apart = Array.from(letters, (letter) => `-${letter}`);
        this.#words.splice(this.#at, 1, ...apart, ...(rest === "" ? [] : [rest]));
      }
      yield this.#words[this.#at++];
    }
  }

  /** The operand of one of the program's own flags. */
  operand(flag: string): string {
    if (this.#at >= this.#words.length) throw new UsageError(`'${flag}' requires an argument`);
    return this.#words[this.#at++];
  }

  /** The operands of a flag that all programs have. */
  operands(flag: string, count: number): string[] {
    const found = this.#words.slice(this.#at, this.#at + count);
    if (found.length < count) {
      const given = `but only ${found.length} were given`;
      throw new UsageError(`flag '${flag}' requires ${count} argument(s), ${given}`);
    }
    this.#at += count;
    return found;
  }
}
