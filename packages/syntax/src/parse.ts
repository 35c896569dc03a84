/*
The way into the parser, with a tree whatever the source is, or with a tree or nothing.
*/

import type { ByteString } from "@firn/base";
import { type Diagnostic, SyntaxFailure } from "./diagnostic.ts";
import type { ParseOptions } from "./options.ts";
import { Parser } from "./parser.ts";
import type { Expr } from "./tree.ts";

export type ParseResult = {
  readonly tree: Expr;
  /** What makes the source no expression. */
  readonly diagnostics: readonly Diagnostic[];
  /** What its author should look at, in source order. */
  readonly warnings: readonly Diagnostic[];
};

/**
 * Parses a whole source. Never throws for bad input. NESTING_MAX needs a stack of some megabytes; where there is less, what nests too
 * deeply for it gets the same diagnostic.
 */
export function parse(source: ByteString, options: ParseOptions = {}): ParseResult {
  const parser = new Parser(source, options);
  let tree: Expr;
  try {
    tree = parser.wholeSource();
  } catch (thrown) {
    if (!(thrown instanceof RangeError && /call stack/i.test(thrown.message))) throw thrown;
    const whole = { from: 0, to: source.length };
    const diagnostic: Diagnostic = {
      code: "limit",
      message: "expressions nest deeper than the stack allows",
      ...whole,
    };
    return { tree: { kind: "error", ...whole }, diagnostics: [diagnostic], warnings: [] };
  }
  return { tree, diagnostics: parser.findings.diagnostics, warnings: parser.findings.warnings };
}

/** Parses a whole source, or throws SyntaxFailure for its first diagnostic. */
export function parseOrThrow(source: ByteString, options: ParseOptions = {}): Expr {
  const { tree, diagnostics } = parse(source, options);
  if (diagnostics.length > 0) throw new SyntaxFailure(diagnostics[0]);
  return tree;
}
