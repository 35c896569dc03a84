/*
What a parse may be told, and its limits.
*/

/** Deepest nesting of expressions; deeper sources get a `limit` diagnostic. */
export const NESTING_MAX = 10_000;
/** Longest source in bytes. */
export const SOURCE_BYTES_MAX = 256 * 1024 * 1024;

export type ParseOptions = {
  /** Names the source in messages that point at a second place. */
  readonly label?: string;
  /** Whether `|>` and `<|` are allowed (feature pipe-operators). */
  readonly pipeOperators?: boolean;
};
