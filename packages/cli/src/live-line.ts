/*
One line on stderr that says how far something is, written over in place. Where stderr is no terminal there is none.
*/

import type { Output } from "./output.ts";

const REDRAW_MS = 100;
const CLEAR_LINE = "\r\x1b[2K";

export class LiveLine implements Disposable {
  readonly #output: Output;
  #shownAtMs = 0;
  #isShown = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows a text, unless another was shown a moment ago. */
  show(text: () => string): void {
    if (!this.#output.isLive) return;
    const nowMs = Date.now();
    if (nowMs - this.#shownAtMs < REDRAW_MS) return;
    this.#shownAtMs = nowMs;
    this.#isShown = true;
    const line = text().slice(0, this.#output.stderr.columns - 1);
    this.#write(`${CLEAR_LINE}${line}`);
  }

  /** Takes the line away. */
  [Symbol.dispose](): void {
    if (this.#isShown) this.#write(CLEAR_LINE);
    this.#isShown = false;
  }

  #write(text: string): void {
    void this.#output.stderr.write(Buffer.from(text, "utf8")).catch(() => undefined);
  }
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** A number of bytes for people: "1.5 MiB". */
export function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit + 1 < UNITS.length; unit++) value /= 1024;
  return unit === 0 ? `${bytes} B` : `${value.toFixed(1)} ${UNITS[unit]}`;
}
