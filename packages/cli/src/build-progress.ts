/*
What people see of builds under way, on stderr. On a terminal: a block of lines at the bottom, redrawn in place: the graph of what is running, has failed
and waits for it (build-tree.ts), with the time it has taken, what it took before, and the last it said. Elsewhere: plain lines, each build's start and
all its output, named, in few writes: builders print faster than a write for each line could keep up.
*/

import { type ByteString, byteStringOfText, textOf } from "@firn/base";
import type { BuildEvent } from "@firn/glue";
import { BuildTree, type TreeRow } from "./build-tree.ts";
import type { Output, Style } from "./output.ts";

const ROWS_MAX = 16;
const REDRAW_MS = 80;
const TICK_MS = 1000;
/** Lines of logs that wait to be written in one go. */
const HELD_CHARS_MAX = 64 * 1024;
const CLEAR_LINE = "\x1b[2K";

export type ProgressOptions = {
  /** Nothing at all. */
  readonly quiet: boolean;
  /** All output of builders on a terminal too. */
  readonly printLogs: boolean;
};

/** How long a build of that name took before, in milliseconds; undefined when that is not known. */
export type Expectation = (name: string) => Promise<number | undefined>;

type Running = { readonly startedAtMs: number; line: ByteString; expectedMs: number | undefined };

export class BuildProgress {
  readonly #output: Output;
  readonly #options: ProgressOptions;
  readonly #expectation: Expectation | undefined;
  readonly #tree = new BuildTree();
  /** By path of the .drv. */
  readonly #running = new Map<ByteString, Running>();
  #fetching: (() => string) | undefined;
  #rowsDrawn = 0;
  /** Lines of logs that are written before anything else is, and before the turn of the event loop ends. */
  #held: ByteString = "";
  /** A drawing that is due because something happened, and the one that lets time pass. */
  #redraw: NodeJS.Timeout | undefined;
  #tick: NodeJS.Timeout | undefined;

  constructor(output: Output, options: ProgressOptions, expectation?: Expectation) {
    this.#output = output;
    this.#options = options;
    this.#expectation = expectation;
  }

  /** Whether every line of every log is printed. */
  get showsAllLines(): boolean {
    return !this.#options.quiet && (!this.#output.isLive || this.#options.printLogs);
  }

  /** Takes what happened. */
  readonly take = (event: BuildEvent): void => {
    if (this.#options.quiet) return;
    const isLive = this.#output.isLive;
    switch (event.type) {
      case "planned":
        this.#tree.add(event.derivations);
        if (!isLive) this.#say(`building ${countOf(event.derivations.length)}`);
        break;
      case "started":
        this.#start(event.drvPath, event.name);
        if (!isLive) this.#say(`building '${event.drvPath}'`);
        break;
      case "log": {
        const running = this.#running.get(event.drvPath);
        if (running !== undefined) running.line = event.line;
        if (!isLive || this.#options.printLogs) this.#log(event.name, event.line);
        break;
      }
      case "finished":
      case "failed":
        this.#running.delete(event.drvPath);
        this.#tree.set(event.drvPath, event.type === "finished" ? "done" : "failed");
        break;
    }
    if (isLive) this.#redraw ??= setTimeout(() => this.#draw(), REDRAW_MS);
  };

  /** What is on its way from elsewhere, as a line of the block; undefined when nothing is. */
  readonly show = (fetching: (() => string) | undefined): void => {
    this.#fetching = fetching;
    if (this.#output.isLive && !this.#options.quiet) this.#redraw ??= setTimeout(() => this.#draw(), REDRAW_MS);
  };

  /** A line that stays. */
  readonly tell = (text: string): void => {
    if (this.#rowsDrawn > 0) this.#write(this.#cleared());
    this.#rowsDrawn = 0;
    this.#say(text);
  };

  /** Takes the block away when nothing is running, until more happens. */
  pause(): void {
    this.#flush();
    if (this.#running.size > 0) return;
    clearTimeout(this.#redraw);
    clearTimeout(this.#tick);
    this.#redraw = undefined;
    if (this.#rowsDrawn > 0) this.#write(this.#cleared());
    this.#rowsDrawn = 0;
  }

  /** Takes the block away. Nothing is shown after this. */
  end(): void {
    this.#running.clear();
    this.pause();
  }

  #say(text: string): void {
    this.#flush();
    void this.#output.note(text);
  }

  #log(name: string, line: ByteString): void {
    if (this.#output.format !== "text") {
      const details = { derivation: name };
      this.#flush();
      return void this.#output.say({ level: "info", code: "build-log", message: textOf(line), details });
    }
    if (this.#held === "") setImmediate(() => this.#flush());
    if (this.#output.stderr.isTerminal) {
      const prefix = this.#output.styled(this.#output.stderr, "dim", `${name}> `);
      this.#held += this.#cleared() + byteStringOfText(`${prefix}${shownOnTerminal(line)}\n`);
    } else this.#held += `${name}> ${line}\n`;
    this.#rowsDrawn = 0;
    if (this.#held.length > HELD_CHARS_MAX) this.#flush();
  }

  #draw(): void {
    clearTimeout(this.#redraw);
    clearTimeout(this.#tick);
    this.#redraw = undefined;
    const { waiting, running, done, failed } = this.#tree.counts();
    const { stderr } = this.#output;
    const rows = this.#tree.rows(ROWS_MAX);
    const lines = rows.map((row) => this.#row(row));
    const hidden = running - rows.filter(({ status }) => status === "running").length;
    if (hidden > 0) lines.push(`  and ${hidden} more`);
    const more = waiting === 0 ? "" : `, ${waiting} waiting`;
    const failures = failed === 0 ? "" : this.#output.styled(stderr, "red", `, ${failed} failed`);
    const planned = waiting + running + done + failed;
    if (planned > 0) lines.push(`building: ${done} of ${planned} done, ${running} running${more}${failures}`);
    if (this.#fetching !== undefined) lines.push(this.#fetching().slice(0, stderr.columns - 1));
    if (lines.length === 0 && this.#rowsDrawn === 0) return;
    this.#write(`${this.#cleared()}${lines.map((line) => `${line}\n`).join("")}`);
    this.#rowsDrawn = lines.length;
    if (this.#running.size > 0) this.#tick = setTimeout(() => this.#draw(), TICK_MS);
  }

  #start(drvPath: ByteString, name: string): void {
    const running: Running = { startedAtMs: Date.now(), line: "", expectedMs: undefined };
    this.#running.set(drvPath, running);
    this.#tree.start(drvPath, name);
    // Nice to know, and not worth failing for.
    this.#expectation?.(name).then(
      (expectedMs) => {
        running.expectedMs = expectedMs;
      },
      () => undefined,
    );
  }

  #row({ branch, drvPath, name, status, waiting }: TreeRow): string {
    const { stderr } = this.#output;
    const running = this.#running.get(drvPath);
    const time = running === undefined ? "" : ` ${timesOf(running)}`;
    const note =
      status === "failed"
        ? " failed"
        : waiting > 0
          ? ` and ${waiting} more waiting`
          : status === "waiting"
            ? " waiting"
            : "";
    const style: Style = status === "failed" ? "red" : status === "running" ? "bold" : "dim";
    const room = stderr.columns - branch.length - name.length - time.length - note.length - 5;
    const line = running?.line ?? "";
    const said =
      room > 8 && line !== "" ? `  ${this.#output.styled(stderr, "dim", shownOnTerminal(line).slice(0, room))}` : "";
    const head = `${name}${time}`.slice(0, Math.max(8, stderr.columns - branch.length - 3));
    return `  ${branch}${this.#output.styled(stderr, style, head)}${note.slice(0, Math.max(0, room + note.length))}${said}`;
  }

  /** What takes the block away and leaves the cursor where it began. */
  #cleared(): string {
    return `\x1b[1A${CLEAR_LINE}`.repeat(this.#rowsDrawn);
  }

  #write(text: string): void {
    this.#flush();
    this.#output.stderr.write(Buffer.from(text)).catch(() => undefined);
  }

  #flush(): void {
    if (this.#held === "") return;
    const bytes = Buffer.from(this.#held, "latin1");
    this.#held = "";
    this.#output.stderr.write(bytes).catch(() => undefined);
  }
}

/** `12s`, or `12s of 40s` where it is known how long it took before. */
function timesOf({ startedAtMs, expectedMs }: Running): string {
  const elapsed = timeOf(Date.now() - startedAtMs);
  return expectedMs === undefined || expectedMs < 1000 ? elapsed : `${elapsed} of ${timeOf(expectedMs)}`;
}

function timeOf(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, "0")}s`;
  return `${Math.floor(seconds / 3600)}h${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")}m`;
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
