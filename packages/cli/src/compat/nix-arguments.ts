/*
nix-instantiate's command line. Flags and operands mix freely; single letters may stand together (`-vv`); a flag that names a setting sets
it. Follows main_nix_instantiate and LegacyArgs of C++ Nix.
*/

import { type EvaluationArguments, EvaluationFlags } from "./evaluation-arguments.ts";
import type { NixSettings } from "./nix-settings.ts";
import { Words } from "./words.ts";

export type NixArguments = {
  readonly evaluation: EvaluationArguments;
  /** `value`, or derivations unless `evaluate`. */
  readonly evaluate: boolean;
  readonly parse: boolean;
  readonly findFile: boolean;
  readonly format: "nix" | "json" | "raw" | "xml";
  readonly location: boolean;
  readonly strict: boolean;
  readonly dryRun: boolean;
  readonly root: string | undefined;
  readonly answer: "help" | "version" | undefined;
};

/** Takes a command line apart; settings among the flags go to `settings`. Throws UsageError. */
export function parseNixArguments(argv: readonly string[], settings: NixSettings): NixArguments {
  const evaluation = new EvaluationFlags();
  const state = {
    evaluation,
    evaluate: false,
    parse: false,
    findFile: false,
    format: "nix" as NixArguments["format"],
    location: true,
    strict: false,
    dryRun: false,
    root: undefined as string | undefined,
    answer: undefined as NixArguments["answer"],
  };
  const words = new Words(argv);
  for (const word of words) {
    switch (word) {
      case "--eval":
      case "--eval-only":
        state.evaluate = true;
        break;
      case "--parse":
      case "--parse-only":
        state.evaluate = state.parse = true;
        break;
      case "--find-file":
        state.findFile = true;
        break;
      case "--strict":
        state.strict = true;
        break;
      case "--json":
      case "--raw":
      case "--xml":
        state.format = word.slice(2) as NixArguments["format"];
        break;
      case "--no-location":
        state.location = false;
        break;
      case "--dry-run":
        state.dryRun = true;
        break;
      case "--add-root":
        state.root = words.operand(word);
        break;
      case "--indirect":
      case "--repair":
        break; // what they ask for is always so, or is never
      case "--help":
      case "--version":
        state.answer ??= word.slice(2) as "help" | "version";
        break;
      default:
        evaluation.take(word, words, settings);
    }
  }
  return state;
}
