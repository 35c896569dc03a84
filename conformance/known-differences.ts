/*
Where Firn follows C++ Nix 2.35.2 and the reference of these tests, 2.8.0, is older. Each entry says what 2.35.2 gives and where that is
written. A case that is listed and agrees with 2.8.0 all the same is a failure: the list holds nothing that is not needed.
*/

export type KnownDifference = {
  /** Which release changed it, and how. */
  readonly reason: string;
  /** What the case must print instead, as `--eval --strict` prints it; `failed` when it must not evaluate. */
  readonly nix?: string;
  readonly json?: string;
  readonly failed?: true;
};

/** By name of the case. */
export const KNOWN_DIFFERENCES: ReadonlyMap<string, KnownDifference> = new Map([]);
