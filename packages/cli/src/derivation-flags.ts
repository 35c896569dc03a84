/*
Flags of all commands that build derivations: those of builders, what builders are told, and where results may come from instead.
*/

import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { builderFlags, declareBuilderFlags } from "./builder-flags.ts";
import type { Flags } from "./command.ts";
import { wholeNumber } from "./expression.ts";
import type { RealiseOptions } from "./realise.ts";
import { declareSubstitutingBuildFlags, substitutionFlags } from "./substitution-flags.ts";

/** Adds the flags. */
export function declareDerivationFlags(command: Command): Command {
  return declareSubstitutingBuildFlags(declareBuilderFlags(command)).option(
    "--cores <n>",
    "how many cores each builder is told to use (default: all)",
  );
}

/** What they say. Throws `usage`. */
export function derivationFlags(flags: Flags): RealiseOptions {
  const cores = flags.cores === undefined ? 0 : wholeNumber("--cores", flags.cores as string, 0);
  return {
    ...builderFlags(flags),
    cores: cores === 0 ? availableParallelism() : cores,
    substitution: substitutionFlags(flags),
  };
}
