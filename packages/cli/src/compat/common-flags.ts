/*
Flags that all programs of Nix's older command line have: settings by name (`--option NAME VALUE`, `--NAME VALUE`), and those that change
nothing here. Follows MixCommonArgs and LegacyArgs of C++ Nix.
*/

import type { DiagnosticFormat } from "../diagnostic.ts";
import { CliError } from "../error.ts";
import { NixSettings } from "./nix-settings.ts";
import type { Words } from "./words.ts";

/** Flags that take this many operands and change nothing here. */
const IGNORED: Readonly<Record<string, number>> = {
  "--impure": 0,
  "--quiet": 0,
  "--verbose": 0,
  "-v": 0,
  "--print-build-logs": 0,
  "--debug": 0,
  "--store": 1,
};

/** Flags that are short for a setting: with the value they give it, or with one to come. */
const SHORT: Readonly<Record<string, { readonly setting: string; readonly value?: string }>> = {
  "-Q": { setting: "print-build-logs", value: "false" },
  "--no-build-output": { setting: "print-build-logs", value: "false" },
  "-K": { setting: "keep-failed", value: "true" },
  "-k": { setting: "keep-going", value: "true" },
  "-j": { setting: "max-jobs" },
};

/** Takes a flag that all programs have, and its operands. False, with nothing done, when it is none. Throws UsageError. */
export function takeCommonFlag(word: string, settings: NixSettings, words: Words): boolean {
  const name = word.slice(2);
  if (Object.hasOwn(IGNORED, word)) words.operands(word, IGNORED[word]);
  else if (Object.hasOwn(SHORT, word)) {
    const { setting, value } = SHORT[word];
    settings.set(setting, value ?? words.operands(word, 1)[0]);
  } else if (word === "--log-format") checkLogFormat(words.operands(word, 1)[0]);
  else if (word === "--option") {
    const [setting, value] = words.operands(word, 2);
    settings.set(setting, value);
  } else if (!word.startsWith("--")) return false;
  else if (NixSettings.isSwitch(name)) settings.set(name, "true");
  else if (name.startsWith("no-") && NixSettings.isSwitch(name.slice(3))) settings.set(name.slice(3), "false");
  else if (NixSettings.knows(name)) settings.set(name, words.operands(word, 1)[0]);
  else return false;
  return true;
}

const LOG_FORMATS = ["raw", "raw-with-logs", "internal-json", "bar", "bar-with-logs"];

/** All but one are text here. */
function checkLogFormat(name: string): void {
  if (!LOG_FORMATS.includes(name))
    throw new CliError("configuration", `option 'log-format' has an invalid value '${name}'`);
}

/** How a command line wants stderr written, `--log-format`; to be known before the rest of it is understood. */
export function logFormatOf(argv: readonly string[]): DiagnosticFormat {
  const at = argv.lastIndexOf("--log-format");
  return at >= 0 && argv[at + 1] === "internal-json" ? "internal-json" : "text";
}
