/*
What the parser has to say about a source. Rendering with an excerpt is done by whoever shows it, from the offsets.
*/

import { FirnError } from "@firn/base";

/**
 * - `syntax`: the text does not follow the grammar.
 * - `duplicate`: an attribute, formal or argument name stands twice.
 * - `number`: a number does not fit.
 * - `path`: a path literal is not well formed.
 * - `dynamic`: a dynamic attribute where none is allowed.
 * - `feature`: the syntax exists but is switched off.
 * - `limit`: nesting deeper than the parser allows.
 * - `lint`: allowed, but a lint was asked to look for it.
 * - `deprecated`: allowed, but to change its meaning; only ever a warning.
 */
export type DiagnosticCode =
  | "syntax"
  | "duplicate"
  | "number"
  | "path"
  | "dynamic"
  | "feature"
  | "limit"
  | "lint"
  | "deprecated";

export type Diagnostic = {
  readonly code: DiagnosticCode;
  /** Without position; a sentence in Nix's words where Nix has some. */
  readonly message: string;
  /** Byte offsets into the source. */
  readonly from: number;
  readonly to: number;
};

/** Thrown by those who want a tree or nothing, see `parseOrThrow`. */
export class SyntaxFailure extends FirnError<DiagnosticCode> {
  readonly diagnostic: Diagnostic;

  constructor(diagnostic: Diagnostic) {
    super(diagnostic.code, diagnostic.message, { context: { from: diagnostic.from, to: diagnostic.to } });
    this.diagnostic = diagnostic;
  }
}
