/*
nix-collect-garbage as C++ Nix 2.35 has it: old generations of profiles, then garbage.

DEVIATION: Nix looks for profiles in directories it knows; Firn knows each profile that was made (profile.ts), wherever it is.
*/

import { NIX_VERSION } from "@firn/eval";
import { collect, type CollectOptions } from "../garbage.ts";
import type { Session } from "../session.ts";
import { takeCommonFlag } from "./common-flags.ts";
import { readNixSettings } from "./nix-settings.ts";
import { parseNixSize, printFreed } from "./nix-store-gc.ts";
import { UsageError } from "./usage-error.ts";
import { Words } from "./words.ts";

const HELP = `Usage: nix-collect-garbage [--delete-old | -d] [--delete-older-than DAYSd] [--max-freed N] [--dry-run]
`;
const DAY_MS = 86_400_000;

/** Runs a command line (without the program's name). */
export async function runNixCollectGarbage(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
): Promise<void> {
  const { output } = session;
  const options = parseArguments(argv, env);
  if (options === "help") return output.bytes(Buffer.from(HELP));
  if (options === "version") return output.line(`nix-collect-garbage (Nix) ${NIX_VERSION}`);
  const { deadPaths, freedBytes, generations } = await collect(options, session);
  const doing = options.dryRun ? "would remove" : "removing";
  for (const { number, profile } of generations) await output.note(`${doing} profile version ${number} of ${profile}`);
  if (options.dryRun) return output.line(`${deadPaths.length} store paths would be deleted`);
  await printFreed(deadPaths, freedBytes, session);
}

function parseArguments(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CollectOptions | "help" | "version" {
  const settings = readNixSettings(env);
  let oldGenerations: CollectOptions["oldGenerations"];
  let maxFreedBytes: number | undefined;
  let dryRun = false;
  const words = new Words(argv);
  for (const word of words) {
    if (word === "--help" || word === "--version") return word.slice(2) as "help" | "version";
    if (word === "--delete-old" || word === "-d") oldGenerations ??= "all";
    else if (word === "--delete-older-than") oldGenerations = { olderThanMs: ageOf(words.operand(word)) };
    else if (word === "--dry-run") dryRun = true;
    else if (word === "--max-freed") maxFreedBytes = parseNixSize(words.operand(word));
    else if (!word.startsWith("-")) throw new UsageError(`unrecognised argument '${word}'`);
    else if (!takeCommonFlag(word, settings, words)) throw new UsageError(`unrecognised flag '${word}'`);
  }
  if (maxFreedBytes !== undefined && dryRun)
    throw new UsageError("options --max-freed and --dry-run cannot be combined");
  return {
    dryRun,
    ...(maxFreedBytes === undefined ? {} : { maxFreedBytes }),
    ...(oldGenerations === undefined ? {} : { oldGenerations }),
  };
}

/** Follows parseOlderThanTimeSpec. */
function ageOf(text: string): number {
  if (!text.endsWith("d"))
    throw new UsageError(`invalid number of days specifier '${text}', expected something like '14d'`);
  if (/^0*[1-9]\d{0,8}d$/.test(text)) return Number(text.slice(0, -1)) * DAY_MS;
  throw new UsageError(`invalid number of days specifier '${text}'`);
}
