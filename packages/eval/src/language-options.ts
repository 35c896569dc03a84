/*
Parts of the language that a setting or an experimental feature switches.
*/

import type { Lints } from "@firn/syntax";

export type LanguageOptions = {
  readonly pipeOperators?: boolean;
  /** Whether fromTOML takes dates and times. */
  readonly tomlTimestamps?: boolean;
  /** Whether BLAKE3 is among the hash algorithms of builtins. */
  readonly blake3Hashes?: boolean;
  /** Whether traceVerbose traces. */
  readonly traceVerbose?: boolean;
  /** Whether builtins.warn ends the evaluation. */
  readonly abortOnWarn?: boolean;
  readonly lints?: Lints;
};
