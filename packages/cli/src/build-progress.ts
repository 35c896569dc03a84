/*
What people see of builds under way, on stderr. On a terminal: a block of lines at the bottom, redrawn in place, with a line for each
running build and the last it said. Elsewhere: plain lines, each build's start and all its output, named.
*/

import { bytesOf, type ByteString, textOf } from "@firn/base";
import type { BuildCounts, BuildEvent } from "@firn/glue";
import type { Output } from "./output.ts";

/** Running builds shown at once. */
const ROWS_MAX = 8;
const REDRAW_MS = 80;
const TICK_MS = 1000;
const CLEAR_LINE = "\x1b[2K";

export type ProgressOptions = {
  /** Nothing at all. */
  readonly quiet: boolean;
  /** All output of builders on a terminal too. */
  readonly printLogs: boolean;
};

export class BuildProgress {
  readonly #output: Output;
  readonly #options: ProgressOptions;
  /** Running builds by path of the .drv, with name and last line. */
  readonly #running = new Map<ByteString, { readonly name: string; readonly startedAtMs: number; line: string }>();
  #counts: BuildCounts = { planned: 0, running: 0, done: 0, failed: 0 };
  #rowsDrawn = 0;
  /** A drawing that is due because something happened, and the one that lets time pass. */
  #redraw: NodeJS.Timeout | undefined;
  #tick: NodeJS.Timeout | undefined;

  constructor(output: Output, options: ProgressOptions) {
    this.#output = output;
    this.#options = options;
  }

  /** Takes what happened. */
  readonly take = (event: BuildEvent): void => {
    if (this.#options.quiet) return;
    if (event.type !== "log") this.#counts = event.counts;
    const isLive = this.#output.isLive;
    switch (event.type) {
      case "planned":
        if (!isLive) this.#say(`building ${countOf(event.derivations.length)}`);
        break;
      case "started":
        this.#running.set(event.drvPath, { name: event.name, startedAtMs: Date.now(), line: "" });
        if (!isLive) this.#say(`building '${event.drvPath}'`);
        break;
      case "log": {
        const running = this.#running.get(event.drvPath);
        if (running !== undefined) running.line = shownOnTerminal(event.line);
        if (!isLive || this.#options.printLogs) this.#log(event.name, event.line);
        break;
      }
      case "finished":
      case "failed":
        this.#running.delete(event.drvPath);
        break;
    }
    if (isLive) this.#redraw ??= setTimeout(() => this.#draw(), REDRAW_MS);
  };

  /** Takes the block away. Nothing is shown after this. */
  end(): void {
    clearTimeout(this.#redraw);
    clearTimeout(this.#tick);
    this.#running.clear();
    if (this.#rowsDrawn > 0) this.#write(this.#cleared());
    this.#rowsDrawn = 0;
  }

  #say(text: string): void {
    void this.#output.note(text);
  }

  #log(name: string, line: ByteString): void {
    if (this.#output.format !== "text") {
      const details = { derivation: name };
      return void this.#output.say({ level: "info", code: "build-log", message: textOf(line), details });
    }
    const prefix = this.#output.styled(this.#output.stderr, "dim", `${name}> `);
    const isTerminal = this.#output.stderr.isTerminal;
    const text = isTerminal ? Buffer.from(shownOnTerminal(line)) : bytesOf(line);
    this.#write(Buffer.concat([Buffer.from(this.#cleared() + prefix), text, Buffer.from("\n")]));
    this.#rowsDrawn = 0;
  }

  #draw(): void {
    clearTimeout(this.#redraw);
    clearTimeout(this.#tick);
    this.#redraw = undefined;
    const { planned, done, failed } = this.#counts;
    const { stderr } = this.#output;
    const rows = [...this.#running.values()];
    const style = (name: "bold" | "dim" | "red", text: string) => this.#output.styled(stderr, name, text);
    const lines = rows.slice(0, ROWS_MAX).map(({ name, startedAtMs, line }) => {
      const seconds = Math.floor((Date.now() - startedAtMs) / 1000);
      const head = `${name} ${seconds}s`;
      const room = stderr.columns - head.length - 5;
      return `  ${style("bold", head)}${room > 8 && line !== "" ? `  ${style("dim", line.slice(0, room))}` : ""}`;
    });
    if (rows.length > ROWS_MAX) lines.push(`  and ${rows.length - ROWS_MAX} more`);
    const failures = failed === 0 ? "" : style("red", `, ${failed} failed`);
    lines.push(`building: ${done} of ${planned} done, ${rows.length} running${failures}`);
    this.#write(`${this.#cleared()}${lines.join("\n")}\n`);
    this.#rowsDrawn = lines.length;
    if (rows.length > 0) this.#tick = setTimeout(() => this.#draw(), TICK_MS);
  }

  /** What takes the block away and leaves the cursor where it began. */
  #cleared(): string {
    return `\x1b[1A${CLEAR_LINE}`.repeat(this.#rowsDrawn);
  }

  #write(text: string | Uint8Array): void {
    this.#output.stderr.write(typeof text === "string" ? Buffer.from(text) : text).catch(() => undefined);
  }
}

function countOf(derivations: number): string {
  return derivations === 1 ? "1 derivation" : `${derivations} derivations`;
}

/** A line of a log without what would move the cursor or change the terminal. */
function shownOnTerminal(line: ByteString): string {
  return textOf(line)
    .replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g, "")
    .replaceAll("\t", "  ")
    .replace(/[\p{Cc}]/gu, "");
}
