/*
A log as lines: cuts the bytes of a builder's log at line ends, hands each line on, and remembers the last ones for the message in case
the build fails. Lines are bounded, a builder may write anything.
*/

import { byteStringOf, type ByteString } from "@firn/base";

/** How many lines are remembered. */
export const TAIL_LINES = 25;
/** Longest line in bytes; longer ones come in pieces. */
export const LINE_BYTES_MAX = 16 * 1024;
/** How much of a line the tail keeps, in bytes. */
const TAIL_LINE_BYTES = 512;

export class LogLines {
  /** The last lines, each without its end and cut to 512 bytes. */
  readonly tail: ByteString[] = [];
  readonly #onLine: (line: ByteString) => void;
  readonly #lastOnly: boolean;
  #begun = "";

  /** `lastOnly`: of each piece of log only the last lines are handed on, so that a builder that says much costs little. */
  constructor(onLine: (line: ByteString) => void, lastOnly = false) {
    this.#onLine = onLine;
    this.#lastOnly = lastOnly;
  }

  /** Takes the next bytes; the buffer is not kept. */
  push(bytes: Uint8Array): void {
    const from = this.#lastOnly ? startOfLastLines(bytes) : 0;
    if (from > 0) this.#begun = "";
    this.#take(from > 0 ? bytes.subarray(from) : bytes);
  }

  #take(bytes: Uint8Array): void {
    const lines = (this.#begun + byteStringOf(bytes)).split("\n");
    this.#begun = lines.pop() as string;
    for (const line of lines) this.#cut(line.endsWith("\r") ? line.slice(0, -1) : line);
    while (this.#begun.length > LINE_BYTES_MAX) {
      this.#line(this.#begun.slice(0, LINE_BYTES_MAX));
      this.#begun = this.#begun.slice(LINE_BYTES_MAX);
    }
  }

  /** Hands on a last line that had no end. */
  end(): void {
    if (this.#begun !== "") this.#cut(this.#begun);
    this.#begun = "";
  }

  #cut(line: ByteString): void {
    if (line.length <= LINE_BYTES_MAX) return this.#line(line);
    for (let at = 0; at < line.length; at += LINE_BYTES_MAX) this.#line(line.slice(at, at + LINE_BYTES_MAX));
  }

  #line(line: ByteString): void {
    this.tail.push(line.length > TAIL_LINE_BYTES ? `${line.slice(0, TAIL_LINE_BYTES)}...` : line);
    if (this.tail.length > TAIL_LINES) this.tail.shift();
    this.#onLine(line);
  }
}

/** Where the last lines begin that a tail may hold, behind the end of a line; 0 when there are not more. */
function startOfLastLines(bytes: Uint8Array): number {
  let at = bytes.length;
  for (let lines = 0; lines <= TAIL_LINES; lines++) {
    if (at === 0) return 0;
    at = bytes.lastIndexOf(10, at - 1);
    if (at < 0) return 0;
  }
  return at + 1;
}
