/*
`--option NAME VALUE`: settings by the names nix.conf has for them. Each is another way to write a flag, and the flag wins. Names that
Firn has no flag for are warned about, as C++ Nix does, so that scripts written for it go on working.
*/

import type { Command } from "commander";
import { collect, type Flags, splitPair } from "./command.ts";
import { CliError } from "./error.ts";

/** Flags (camel-case, as commander names them) by the setting that stands for each. */
const FLAG_OF_SETTING: Readonly<Record<string, { readonly flag: string; readonly isSwitch: boolean }>> = {
  "max-jobs": { flag: "jobs", isSwitch: false },
  builders: { flag: "builders", isSwitch: false },
  cores: { flag: "cores", isSwitch: false },
  timeout: { flag: "timeout", isSwitch: false },
  "max-silent-time": { flag: "maxSilentTime", isSwitch: false },
  sandbox: { flag: "sandboxSetting", isSwitch: false },
  substituters: { flag: "substituters", isSwitch: false },
  "extra-substituters": { flag: "extraSubstituters", isSwitch: false },
  "trusted-public-keys": { flag: "trustedPublicKeys", isSwitch: false },
  "extra-trusted-public-keys": { flag: "extraTrustedPublicKeys", isSwitch: false },
  "netrc-file": { flag: "netrcFile", isSwitch: false },
  substitute: { flag: "substitute", isSwitch: true },
  "require-sigs": { flag: "checkSigs", isSwitch: true },
  fallback: { flag: "fallback", isSwitch: true },
  "keep-going": { flag: "keepGoing", isSwitch: true },
  "max-build-log-size": { flag: "maxLogSize", isSwitch: false },
  "sandbox-paths": { flag: "sandboxPath", isSwitch: false },
  "extra-sandbox-paths": { flag: "sandboxPath", isSwitch: false },
  "system-features": { flag: "systemFeatures", isSwitch: false },
  "show-trace": { flag: "showTrace", isSwitch: true },
  "allow-import-from-derivation": { flag: "allowIfd", isSwitch: true },
  "max-call-depth": { flag: "maxCallDepth", isSwitch: false },
};

/** Adds the flag. It takes two operands: list it among the command's pair flags. */
export function declareSettings(command: Command): Command {
  return command.option("--option <name value>", "set NAME of nix.conf to VALUE; repeatable", collect(splitPair));
}

export type AppliedSettings = { readonly flags: Flags; readonly unknown: readonly string[] };

/** The flags with what the settings say added. Throws `usage` for a switch that is neither true nor false. */
export function applySettings(flags: Flags): AppliedSettings {
  const applied: Record<string, unknown> = { ...flags };
  const unknown: string[] = [];
  for (const { name, value } of (flags.option as { name: string; value: string }[] | undefined) ?? []) {
    const known = Object.hasOwn(FLAG_OF_SETTING, name) ? FLAG_OF_SETTING[name] : undefined;
    if (known === undefined) unknown.push(name);
    // A switch that is on unless it is turned off was not given when it is on.
    else if (flags[known.flag] === undefined || (known.isSwitch && flags[known.flag] === true))
      applied[known.flag] = known.isSwitch ? switchOf(name, value) : value;
  }
  return { flags: applied, unknown };
}

function switchOf(name: string, value: string): boolean {
  if (["true", "yes", "1"].includes(value)) return true;
  if (["false", "no", "0"].includes(value)) return false;
  throw new CliError("usage", `setting '${name}' is true or false, got '${value}'`);
}
