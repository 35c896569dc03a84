/*
Where paths may come from instead of being built, and who is believed: nix.conf says it, then flags and `--option`, by Nix's names.
*/

import type { Command } from "commander";
import type { Flags } from "./command.ts";
import { readNixSettings, type NixSettings } from "./compat/nix-settings.ts";

/** Yields the settings, given the environment. */
export type SubstitutionChoice = (environment: Readonly<Record<string, string>>) => NixSettings;

/** Settings by the flags that stand for them; those of `--no-…` are true unless they were given. */
const SETTINGS = {
  substituters: "substituters",
  extraSubstituters: "extra-substituters",
  trustedPublicKeys: "trusted-public-keys",
  extraTrustedPublicKeys: "extra-trusted-public-keys",
  netrcFile: "netrc-file",
  fallback: "fallback",
} as const;
const SWITCHED_OFF = { substitute: "substitute", checkSigs: "require-sigs" } as const;

/** Adds the flags that say where from and who is believed. */
export function declareSubstitutionFlags(command: Command): Command {
  return command
    .option(
      "--substituters <urls>",
      "binary caches to ask before building: https://… or file:///…, with spaces between",
    )
    .option("--extra-substituters <urls>", "further ones")
    .option("--trusted-public-keys <keys>", "whose signatures are believed, NAME:BASE64 with spaces between")
    .option("--extra-trusted-public-keys <keys>", "further ones")
    .option("--netrc-file <file>", "credentials for caches, by host")
    .option("--no-check-sigs", "believe caches without signatures");
}

/** As above, for commands that build what no cache has. */
export function declareSubstitutingBuildFlags(command: Command): Command {
  return declareSubstitutionFlags(command)
    .option("--no-substitute", "build everything, ask no binary caches")
    .option("--fallback", "build what caches offer and then cannot bring");
}

/** What flags and nix.conf say together. */
export function substitutionFlags(flags: Flags): SubstitutionChoice {
  return (environment) => {
    const settings = readNixSettings(environment);
    for (const [flag, setting] of Object.entries(SETTINGS)) {
      const value = flags[flag];
      if (value !== undefined) settings.set(setting, String(value));
    }
    for (const [flag, setting] of Object.entries(SWITCHED_OFF))
      if (flags[flag] === false) settings.set(setting, "false");
    return settings;
  };
}
