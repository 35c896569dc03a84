/*
Source positions. All sources of an evaluator share one number line: each gets a range of it, so that a position is one small integer
wherever it is kept, and 0 means "no position".
*/

import { type ByteString, assert } from "@firn/base";
import { excerptOf, lineColumnOf, lineText } from "@firn/syntax";

export type Origin = {
  /** What messages call it: a path, `«string»`. */
  readonly label: string;
  /** Absolute path when it is a file; what `__curPos.file` gives. */
  readonly file: ByteString | undefined;
  readonly source: () => ByteString;
  readonly base: number;
  readonly length: number;
};

export type Position = { readonly origin: Origin; readonly line: number; readonly column: number };

export class Positions {
  readonly #origins: Origin[] = [];
  #next = 1;

  /** Registers a source of `length` bytes; its byte `n` has position `base + n`. `source` is called only to show a position. */
  add(label: string, file: ByteString | undefined, length: number, source: () => ByteString): Origin {
    const origin = { label, file, source, base: this.#next, length };
    this.#next += length + 1;
    assert(this.#next < 2 ** 31, "positions fit 31 bits");
    this.#origins.push(origin);
    return origin;
  }

  /** File, line and column, or undefined for 0. */
  resolve(pos: number): Position | undefined {
    if (pos <= 0) return undefined;
    let low = 0;
    let high = this.#origins.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#origins[middle].base <= pos) low = middle;
      else high = middle - 1;
    }
    const origin = this.#origins[low];
    if (origin === undefined || pos > origin.base + origin.length) return undefined;
    return { origin, ...lineColumnOf(origin.source(), pos - origin.base) };
  }

  /** `FILE:LINE:COLUMN`, or undefined for 0. */
  describe(pos: number): string | undefined {
    const at = this.resolve(pos);
    return at && `${at.origin.label}:${at.line}:${at.column}`;
  }

  /** `\nat FILE:LINE:COLUMN:` and the lines around it, or nothing for 0: what messages end with. */
  placeLines(pos: number): string {
    const where = this.describe(pos);
    return where === undefined ? "" : `\nat ${where}:\n${this.excerpt(pos)}`;
  }

  /** The line and its neighbours. */
  linesAround({ origin, line }: Position): { readonly line: number; readonly text: ByteString }[] {
    const source = origin.source();
    return [line - 1, line, line + 1].flatMap((number) => {
      const text = number > 0 ? lineText(source, number) : undefined;
      return text === undefined ? [] : [{ line: number, text }];
    });
  }

  /** The lines around it with a caret, or undefined for 0. */
  excerpt(pos: number): string | undefined {
    const at = this.resolve(pos);
    return at && excerptOf(at.origin.source(), at);
  }
}
