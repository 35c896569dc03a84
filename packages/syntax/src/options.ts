/*
What a parse may be told, and its limits.
*/

/** Deepest nesting of expressions; deeper sources get a `limit` diagnostic. */
export const NESTING_MAX = 10_000;
/** Longest source in bytes. */
export const SOURCE_BYTES_MAX = 256 * 1024 * 1024;

/** What becomes of a use of syntax that a lint looks for: nothing, a warning, or a diagnostic like any other. */
export type LintLevel = "ignore" | "warn" | "fatal";

/** Settings `lint-url-literals`, `lint-short-path-literals` (`a/b` for `./a/b`) and `lint-absolute-path-literals` (`/a`, `~/a`). */
export type Lints = {
  readonly urlLiterals?: LintLevel;
  readonly shortPathLiterals?: LintLevel;
  readonly absolutePathLiterals?: LintLevel;
};

export type ParseOptions = {
  /** Names the source in messages that point at a second place. */
  readonly label?: string;
  /** Whether `|>` and `<|` are allowed (feature pipe-operators). */
  readonly pipeOperators?: boolean;
  readonly lints?: Lints;
};
