/*
What C++ Nix keeps behind experimental features stays behind the same names here, and whoever lacks one is told so in its words.
*/

import { EvalError } from "@firn/eval";

/** Features this room knows; names of others do no harm. */
export type ExperimentalFeature =
  | "blake3-hashes"
  | "ca-derivations"
  | "dynamic-derivations"
  | "fetch-tree"
  | "flakes"
  | "git-hashing"
  | "impure-derivations";

export class ExperimentalFeatures {
  readonly #names: ReadonlySet<string>;

  constructor(names: Iterable<string>) {
    const enabled = new Set(names);
    if (enabled.has("flakes")) enabled.add("fetch-tree");
    this.#names = enabled;
  }

  has(feature: ExperimentalFeature): boolean {
    return this.#names.has(feature);
  }

  /** Throws EvalError `unsupported` when the feature is not enabled. `reason` says what for. */
  require(feature: ExperimentalFeature, reason?: string): void {
    if (this.#names.has(feature)) return;
    const why = reason === undefined ? "" : ` (${reason})`;
    throw new EvalError(
      "unsupported",
      `experimental Nix feature '${feature}' is disabled${why}; add '--extra-experimental-features ${feature}' to enable it`,
    );
  }
}
