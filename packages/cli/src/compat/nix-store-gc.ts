/*
`nix-store --gc`, `--delete` and `--verify`: what goes, what stays and why, and whether all is well.
*/

import { LocalStoreError } from "@firn/backend-local";
import type { StorePath } from "@firn/nix-compat";
import { CliError, EXIT } from "../error.ts";
import { collect } from "../garbage.ts";
import { adoptProfiles } from "../profile.ts";
import type { Session } from "../session.ts";
import { checkFlags, type StoreArguments } from "./nix-store-arguments.ts";
import { inOrder, setOf } from "./path-graph.ts";
import { storePathOf } from "./store-operand.ts";
import { UsageError } from "./usage-error.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

export async function gc({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  const asks = ["--print-roots", "--print-live", "--print-dead"].filter((flag) => flags.includes(flag));
  let maxFreedBytes: number | undefined;
  for (let at = 0; at < flags.length; at++) {
    if (flags[at] === "--max-freed") maxFreedBytes = parseNixSize(flags[++at]);
    else if (!asks.includes(flags[at])) throw new UsageError(`bad sub-operation '${flags[at]}' in GC`);
  }
  if (operands.length > 0) throw new UsageError("no arguments expected");
  if (maxFreedBytes !== undefined && asks.length > 0)
    throw new UsageError("option --max-freed cannot be combined with --print-live, --print-dead, or --print-roots");
  if (asks.includes("--print-roots")) return printRoots(session);
  if (asks.length > 0) return printPaths(asks[asks.length - 1] === "--print-live", session);
  await session.output.note("finding garbage collector roots...");
  const result = await collect(maxFreedBytes === undefined ? {} : { maxFreedBytes }, session);
  await printFreed(result.deadPaths, result.freedBytes, session);
}

/** DEVIATION: 2.35 prints links in quotation marks, by accident of a C++ stream, and scripts that match their beginnings no longer do. */
async function printRoots(session: Session): Promise<void> {
  const { roots } = await session.openStore();
  await adoptProfiles(session);
  const lines = roots
    .listRoots()
    .map(({ name, link, path }) => `${link ?? name} -> ${path.absolute(session.config.storeDir)}`);
  for (const line of lines.sort()) await session.output.line(line);
}

async function printPaths(live: boolean, session: Session): Promise<void> {
  const { output, config, signal } = session;
  const { deadPaths } = await collect({ dryRun: true }, session);
  const dead = setOf(deadPaths);
  const printed = live ? setOf([]) : dead;
  const store = await session.openStore();
  if (live)
    for await (const { path } of store.pathInfos.list({ signal }))
      if (!dead.has(path.toString())) printed.set(path.toString(), path);
  for (const path of inOrder(printed)) await output.line(path.absolute(config.storeDir));
}

export async function deletePaths({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags, ["--ignore-liveness"]);
  const only = operands.map((operand) => storePathOf(operand, session));
  try {
    const result = await collect({ only, ignoreRoots: flags.includes("--ignore-liveness") }, session);
    await printFreed(result.deadPaths, result.freedBytes, session);
  } catch (thrown) {
    if (!(thrown instanceof LocalStoreError) || thrown.code !== "alive") throw thrown;
    const path = `${session.config.storeDir}/${thrown.context.path}`;
    const advice = "To find out why, use: nix-store --query --roots and nix-store --query --referrers";
    throw new CliError("invalid-target", `Cannot delete path '${path}' since it is still alive. ${advice}`, {
      cause: thrown,
    });
  }
}

/** What was deleted, and how much that freed. */
export async function printFreed(
  paths: readonly StorePath[],
  bytes: number,
  { output, config }: Session,
): Promise<void> {
  for (const path of paths) await output.note(`deleting '${path.absolute(config.storeDir)}'`);
  await output.line(`${paths.length} store paths deleted, ${renderSize(bytes)} freed`);
}

export async function verify({ flags, operands }: StoreArguments, session: Session): Promise<number> {
  checkFlags(flags, ["--check-contents", "--repair"]);
  if (operands.length > 0) throw new UsageError("no arguments expected");
  const { output, signal } = session;
  const store = await session.openStore();
  const nar = flags.includes("--check-contents");
  await output.note(nar ? "reading the Nix store, checking hashes..." : "reading the Nix store...");
  const { findings } = await store.verify({ nar, repair: flags.includes("--repair"), signal });
  for (const { kind, what, problem, isRepaired } of findings)
    await output.note(`${isRepaired ? "repaired" : "error"}: ${kind} ${what}: ${problem}`);
  if (findings.every(({ isRepaired }) => isRepaired)) return EXIT.ok;
  await output.warn("not all store errors were fixed");
  return EXIT.error;
}

/** Follows getIntArg: a whole number, with a unit of 1024 if one likes. */
export function parseNixSize(text: string): number {
  const match = /^(\d{1,15})([KMGT]?)$/i.exec(text);
  if (match === null) throw new UsageError(`'${text}' is not an integer`);
  return Number(match[1]) * UNITS[match[2].toUpperCase()];
}

/** Never less than a unit of 1024. Follows renderSize. */
function renderSize(bytes: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${value.toFixed(1)} ${units[unit]}`;
}
