/*
What a command has to say besides its results, as data: errors, warnings, traces and notes. For people it is printed as text; with
`--diagnostics json` each is one line of JSON, whose names and codes are part of the interface (docs/diagnostics.md); programs that stand in for
Nix's print it as Nix's own `internal-json` when they are told to.
*/

import { FirnError, messageOf } from "@firn/base";
import { EvalFailure } from "./evaluator/host.ts";
import type { FailureData, FailurePlace } from "./evaluator/job.ts";
import { BuildFailed, Interrupted } from "./error.ts";
import { evaluationText, isErrno, type Report } from "./report.ts";

export type DiagnosticFormat = "text" | "json" | "internal-json";

export type DiagnosticPlace = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line and its neighbours. */
  readonly excerpt: readonly { readonly line: number; readonly text: string }[];
};

export type Diagnostic = {
  readonly level: "error" | "warning" | "trace" | "info";
  /** Which kind: `ROOM.CODE`, or one word for what is no failure. */
  readonly code: string;
  /** What there is to say, without place and trace. */
  readonly message: string;
  /** The same for people, where that is more than `message`. Not in JSON. */
  readonly text?: string;
  /** Of an error: what the process ends with. */
  readonly exitCode?: number;
  readonly place?: DiagnosticPlace;
  /** What a syntax error is about. */
  readonly reason?: string;
  /** "Did you mean …?" */
  readonly suggestion?: string;
  /** What led to it, outermost first. */
  readonly trace?: readonly { readonly message: string; readonly place?: DiagnosticPlace }[];
  /** So many frames in the middle of the trace are left out. */
  readonly framesOmitted?: number;
  /** What else there is, by kind. */
  readonly details?: unknown;
};

/** One line, without its end. */
export function printDiagnostic(diagnostic: Diagnostic, format: "json" | "internal-json"): string {
  if (format === "internal-json") return `@nix ${JSON.stringify(internalJson(diagnostic))}`;
  const { text: _, ...data } = diagnostic;
  return JSON.stringify(data);
}

const NIX_LEVELS = { error: 0, warning: 1, trace: 0, info: 3 } as const;

/** Follows JSONLogger of C++ Nix, names sorted. DEVIATION: without colours. */
function internalJson({ level, message, text = message, place, trace }: Diagnostic): unknown {
  const common = { level: NIX_LEVELS[level], msg: text };
  if (level !== "error") return { action: "msg", ...common };
  const where = (at: DiagnosticPlace | undefined) => ({
    column: at?.column ?? null,
    file: at?.file ?? null,
    line: at?.line ?? null,
  });
  const { column, file, line } = where(place);
  const frames = trace?.map((frame) => {
    const at = where(frame.place);
    return { column: at.column, file: at.file, line: at.line, raw_msg: frame.message };
  });
  return {
    ...{ action: "msg", column, file, ...{ level: common.level, line, msg: common.msg } },
    ...{ raw_msg: message, ...(frames === undefined || frames.length === 0 ? {} : { trace: frames }) },
  };
}

/** What was thrown, as data; `report` is what people are told of it. Undefined when they are told nothing. */
export function diagnosticOf(thrown: unknown, { text, exitCode }: Report): Diagnostic | undefined {
  if (text === undefined) return undefined;
  const error = { level: "error", exitCode, text } as const;
  if (thrown instanceof EvalFailure) {
    const { code, ...failure } = diagnosticOfFailure(thrown.data);
    return { ...error, code: `eval.${code}`, ...failure };
  }
  if (thrown instanceof Interrupted) return { ...error, code: "interrupted", message: thrown.message };
  if (thrown instanceof BuildFailed) return { ...error, code: "build.failed", message: thrown.message };
  if (thrown instanceof FirnError) {
    const details = Object.keys(thrown.context).length === 0 ? {} : { details: thrown.context };
    return { ...error, code: `${roomOf(thrown)}.${thrown.code}`, message: thrown.message, ...details };
  }
  if (isErrno(thrown)) return { ...error, code: `system.${thrown.code}`, message: thrown.message };
  return { ...error, code: "internal", message: messageOf(thrown) };
}

/** `LocalStoreError` is of the room `local-store`. */
function roomOf({ name }: FirnError): string {
  const words = name.replace(/(?:Error|Failure)$/, "").match(/[A-Z][a-z]*/g) ?? [name];
  return words.map((word) => word.toLowerCase()).join("-");
}

/** An evaluation's failure or warning; byte strings become text. */
export function diagnosticOfFailure(data: FailureData): Omit<Diagnostic, "level"> {
  const { code, reason, summary, suggestion, position, trace, framesOmitted } = data;
  return {
    code,
    message: evaluationText(summary),
    ...(reason === undefined ? {} : { reason }),
    ...(position === undefined ? {} : { place: placeOf(position) }),
    ...(suggestion === undefined ? {} : { suggestion: evaluationText(suggestion) }),
    ...(trace === undefined
      ? {}
      : {
          trace: trace.map((frame) => ({
            message: evaluationText(frame.message),
            ...(frame.position === undefined ? {} : { place: placeOf(frame.position) }),
          })),
        }),
    ...(framesOmitted === undefined ? {} : { framesOmitted }),
  };
}

function placeOf({ file, line, column, excerpt }: FailurePlace): DiagnosticPlace {
  return {
    file: evaluationText(file),
    line,
    column,
    excerpt: excerpt.map((row) => ({ line: row.line, text: evaluationText(row.text) })),
  };
}
