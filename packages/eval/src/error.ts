/*
Errors of evaluation. Three things are kept apart: what the language can catch (`throw`, `assert`: `catchable`), what it
cannot (type errors, missing attributes, limits), and bugs of Firn (AssertionFailure, never an EvalError).

`pos` and the positions in `trace` are global offsets, see positions.ts; whoever shows an error resolves them there.
*/

import { FirnError } from "@firn/base";

/**
 * - `throw`, `assert`: raised by the program; the only catchable ones.
 * - `abort`: `builtins.abort`.
 * - `type`: a value is not of the type that was asked for.
 * - `undefined-variable`, `missing-attribute`, `missing-argument`, `unexpected-argument`: names that are not there, or not wanted.
 * - `infinite-recursion`, `stack-overflow`: evaluation that does not end, or nests too deeply.
 * - `arithmetic`: overflow, division by zero.
 * - `invalid-value`: of the right type but not acceptable (a regular expression, a hash, a store path name).
 * - `syntax`: source that was imported does not parse; `cause` holds the diagnostic.
 * - `duplicate-attribute`: a dynamic attribute stands twice.
 * - `io`: a file cannot be read, or is not there.
 * - `store`: something about store paths or derivations.
 * - `unsupported`: a builtin or feature that Firn does not have, or that is not enabled.
 * - `usage`: what C++ Nix holds to be a mistake in its own usage, though a program made it (the name of a hash algorithm).
 * - `cancelled`: the evaluation was told to stop.
 * - `limit`: a stated limit was passed.
 */
export type EvalErrorCode =
  | "throw"
  | "assert"
  | "abort"
  | "type"
  | "undefined-variable"
  | "missing-attribute"
  | "missing-argument"
  | "unexpected-argument"
  | "infinite-recursion"
  | "stack-overflow"
  | "arithmetic"
  | "invalid-value"
  | "syntax"
  | "duplicate-attribute"
  | "io"
  | "store"
  | "unsupported"
  | "usage"
  | "cancelled"
  | "limit";

/**
 * One "… while …" line. `pos` 0 means that no place is known. A call is shown only where the whole trace is asked for; a note of the
 * program itself (`addErrorContext`) is shown in any case.
 */
export type TraceFrame = { readonly message: string; readonly pos: number; readonly kind?: "call" | "note" };

/** Most trace frames that are kept; the innermost stay. More than any call depth a stack has room for makes. */
const TRACE_FRAMES_MAX = 1 << 20;

export class EvalError extends FirnError<EvalErrorCode> {
  /** Where it happened, 0 when that is not known (yet). */
  pos: number;
  /** Innermost first. */
  readonly trace: TraceFrame[] = [];
  /** "Did you mean …?", shown below the excerpt. */
  suggestion = "";

  constructor(code: EvalErrorCode, message: string, pos = 0, cause?: unknown) {
    super(code, message, cause === undefined ? {} : { cause });
    this.pos = pos;
  }

  /** True for what `tryEval` catches. */
  get catchable(): boolean {
    return this.code === "throw" || this.code === "assert";
  }

  addTrace(message: string, pos: number, kind?: TraceFrame["kind"]): void {
    if (this.trace.length < TRACE_FRAMES_MAX)
      this.trace.push(kind === undefined ? { message, pos } : { message, pos, kind });
  }

  /** The same error with a trace of its own, to be thrown once more. */
  again(): EvalError {
    const copy = new EvalError(this.code, this.message, this.pos, this.cause);
    for (const frame of this.trace) copy.trace.push(frame);
    copy.suggestion = this.suggestion;
    return copy;
  }

  /** The same, as it is thrown: `throw new EvalError(…).within("while …")`. No frame without a message. */
  within(message: string | undefined, pos = 0): this {
    if (message !== undefined) this.addTrace(message, pos);
    return this;
  }
}

/** What a program meets that uses a feature which is off. Follows `MissingExperimentalFeature`. */
export function featureDisabled(name: string): EvalError {
  const remedy = `add '--extra-experimental-features ${name}' to enable it`;
  return new EvalError("unsupported", `experimental Nix feature '${name}' is disabled; ${remedy}`);
}

/** Adds a frame to what was thrown, if that is an error of the evaluation, and yields it. No frame without a message. */
export function framed(thrown: unknown, message: string | undefined, pos = 0): unknown {
  if (message !== undefined && thrown instanceof EvalError) thrown.addTrace(message, pos);
  return thrown;
}
