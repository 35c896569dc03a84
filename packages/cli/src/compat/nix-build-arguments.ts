/*
nix-build's command line. Flags and operands mix freely; what steers builds are settings. Follows main_nix_build of C++ Nix.
*/

import { CliError } from "../error.ts";
import { type EvaluationArguments, EvaluationFlags } from "./evaluation-arguments.ts";
import type { NixSettings } from "./nix-settings.ts";
import { UsageError } from "./usage-error.ts";
import { Words } from "./words.ts";

export type NixBuildArguments = {
  readonly evaluation: EvaluationArguments;
  /** Links to outputs begin like this; undefined: none are made. */
  readonly link: string | undefined;
  /** Links to derivations begin like this. */
  readonly drvLink: string | undefined;
  readonly dryRun: boolean;
  /** Whether what is built already is built again and compared. */
  readonly check: boolean;
  readonly answer: "help" | "version" | undefined;
};

/** Takes a command line apart; settings among the flags go to `settings`. Throws UsageError, and `unsupported` for what Firn has not. */
export function parseNixBuildArguments(argv: readonly string[], settings: NixSettings): NixBuildArguments {
  const evaluation = new EvaluationFlags();
  let link: string | undefined = "result";
  let drvLink: string | undefined;
  let dryRun = false;
  let check = false;
  let answer: NixBuildArguments["answer"];
  const words = new Words(argv);
  for (const word of words) {
    switch (word) {
      case "--out-link":
      case "-o":
      case "--add-root":
        link = words.operand(word);
        break;
      case "--no-out-link":
      case "--no-link":
        link = undefined;
        break;
      case "--drv-link":
        drvLink = words.operand(word);
        break;
      case "--add-drv-link":
        drvLink ??= "derivation";
        break;
      case "--dry-run":
        dryRun = true;
        break;
      case "--check":
        check = true;
        break;
      case "--indirect":
        break; // every root of Firn's is
      case "--repair":
        throw new CliError(
          "unsupported",
          "'nix-build --repair' is not supported by Firn: firn store verify --repair-from URL mends",
        );
      case "--run-env":
        throw new UsageError("'--run-env' is obsolete, use 'nix-shell'");
      case "--help":
      case "--version":
        answer ??= word.slice(2) as "help" | "version";
        break;
      default:
        evaluation.take(word, words, settings);
    }
  }
  return { evaluation, link, drvLink, dryRun, check, answer };
}
