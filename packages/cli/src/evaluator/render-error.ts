/*
An EvalError as text: trace, message, place, excerpt and suggestion, laid out as C++ Nix 2.35 lays them out (`showErrorInfo`). Frames that
were shown before are folded where there are many; without `showTrace` only the outermost few are shown, and the program's own notes.
*/

import type { EvalError, Positions, TraceFrame } from "@firn/eval";
import type { FailureData } from "./job.ts";

/** A frame counts once, and once more when it has a place; beyond this no more are begun. */
const COUNT_MAX = 3;
/** So many frames in a row that were shown before are shown again rather than counted. */
const REPEATED_MAX = 5;
/** Frames of a trace as data; of more, those in the middle are left out. */
const FRAMES_MAX = 1000;
const PREFIX = "error:";

/** `asData`: with the trace as data too. */
export function renderError(error: EvalError, positions: Positions, showTrace: boolean, asData: boolean): FailureData {
  const body = `${error.message}${positions.placeLines(error.pos)}${error.suggestion === "" ? "" : `\n${error.suggestion}`}`;
  // A call is recorded for whole traces only.
  const frames = error.trace.filter((frame) => showTrace || frame.kind !== "call");
  const text = frames.length === 0 ? body : `${new Trace(positions).render(frames, showTrace)}\n${PREFIX} ${body}`;
  return {
    code: error.code,
    summary: error.message,
    message: indented(text),
    ...placeAt(error.pos, positions),
    ...(error.suggestion === "" ? {} : { suggestion: error.suggestion }),
    ...(error.code === "syntax" ? { reason: (error.cause as { readonly code: string }).code } : {}),
    ...(asData ? traceData(error.trace, positions) : {}),
  };
}

/** `position` with the lines around it; nothing for 0. */
export function placeAt(pos: number, positions: Positions): Pick<FailureData, "position"> {
  const at = positions.resolve(pos);
  if (at === undefined) return {};
  const { origin, line, column } = at;
  return { position: { file: origin.label, line, column, excerpt: positions.linesAround(at) } };
}

function traceData(frames: readonly TraceFrame[], positions: Positions): Pick<FailureData, "trace" | "framesOmitted"> {
  const shown = frames.filter(({ message }) => message !== "").toReversed();
  const omitted = Math.max(0, shown.length - FRAMES_MAX);
  shown.splice(FRAMES_MAX / 2, omitted);
  const trace = shown.map(({ message, pos }) => ({ message, ...placeAt(pos, positions) }));
  return { trace, ...(omitted === 0 ? {} : { framesOmitted: omitted }) };
}

/** Behind the prefix, lines below its text; spaces at ends of lines go. */
function indented(text: string): string {
  const pad = " ".repeat(PREFIX.length + 1);
  return text
    .replace(/\s+$/, "")
    .split("\n")
    .map((line, n) => `${n === 0 ? `${PREFIX} ` : pad}${line}`.trimEnd())
    .join("\n");
}

class Trace {
  readonly #positions: Positions;
  #text = "";
  #count = 0;
  #shown = new Set<string>();
  /** Frames in a row that were all shown before. */
  #repeated: TraceFrame[] = [];

  constructor(positions: Positions) {
    this.#positions = positions;
  }

  /** Frames are kept innermost first and shown outermost first. */
  render(frames: readonly TraceFrame[], showTrace: boolean): string {
    let isTruncated = false;
    for (let n = frames.length - 1; n >= 0; n--) {
      const frame = frames[n];
      if (frame.message === "") continue;
      if (!showTrace && this.#count > COUNT_MAX) isTruncated = true;
      if (isTruncated && frame.kind !== "note") continue;
      const key = `${frame.pos}:${frame.message}`;
      if (this.#shown.has(key)) this.#repeated.push(frame);
      else {
        this.#shown.add(key);
        this.#endRepeated();
        this.#count++;
        this.#show(frame);
      }
    }
    this.#endRepeated();
    if (isTruncated) this.#text += "\n(stack trace truncated; use '--show-trace' to show the full, detailed trace)\n";
    return this.#text;
  }

  #show({ message, pos }: TraceFrame): void {
    this.#text += `\n… ${message}\n`;
    const place = this.#positions.placeLines(pos);
    if (place === "") return;
    this.#count++;
    this.#text += `${place.slice(1).replace(/^/, "  ")}\n`;
  }

  #endRepeated(): void {
    if (this.#repeated.length > REPEATED_MAX) this.#text += `\n(${this.#repeated.length} duplicate frames omitted)\n`;
    else for (const frame of this.#repeated) this.#show(frame);
    this.#repeated = [];
  }
}
