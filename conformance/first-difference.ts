/*
Where two derivation graphs part: Firn's, given as texts, and that of Debian's nix-instantiate over the same tree. Goes down from the root to the deepest
derivation that differs although all its inputs agree by name, and names the first part of it that differs.
*/

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Derivation, parseDerivation, parseAbsoluteStorePath } from "@firn/nix-compat";
import { onPath } from "../dev/need.ts";
import type { WorkerOptions } from "./nixpkgs-worker.ts";

type Graph = (drvPath: string) => Derivation | undefined;

/** One line on the first difference between the derivation Nix gives at `expected` and ours. `texts` are ours by .drv path, roots first. */
export function firstDifference(
  options: WorkerOptions,
  attr: string,
  expected: string,
  texts: ReadonlyMap<string, string>,
): string {
  if (onPath("nix-instantiate") === undefined) return "nix-instantiate is not there to say where they part";
  const root = mkdtempSync(join(tmpdir(), "firn-nix-"));
  try {
    const expression = `(import ${options.tree}/pkgs/top-level/impure.nix { system = "x86_64-linux"; config = { }; overlays = [ ]; }).${attr}`;
    const env = {
      PATH: process.env.PATH,
      HOME: root,
      NIX_REMOTE: `local?root=${root}`,
      NIX_CONFIG: "build-users-group =",
    };
    const made = spawnSync("nix-instantiate", ["-E", expression], { env, encoding: "utf8" });
    if (made.status !== 0) return `nix-instantiate failed: ${made.stderr.trim().split("\n").at(-1)}`;
    const theirs: Graph = (path) => {
      try {
        return parse(path, readFileSync(join(root, path), "latin1"));
      } catch {
        return undefined;
      }
    };
    const ours: Graph = (path) => {
      const text = texts.get(path);
      return text === undefined ? undefined : parse(path, text);
    };
    const [ourRoot] = texts.keys();
    return descend(expected, theirs, ourRoot, ours, new Set());
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function parse(path: string, text: string): Derivation {
  return parseDerivation(text, parseAbsoluteStorePath(path).name.replace(/\.drv$/, ""));
}

function descend(theirPath: string, theirs: Graph, ourPath: string, ours: Graph, seen: Set<string>): string {
  const theirDrv = theirs(theirPath);
  const ourDrv = ours(ourPath);
  if (theirDrv === undefined) return `${theirPath}: Nix here does not make it either, so the tree differs`;
  if (ourDrv === undefined) return `${ourPath}: not among Firn's derivations`;
  seen.add(theirPath);
  for (const path of theirDrv.inputDrvs.keys()) {
    if (ourDrv.inputDrvs.has(path) || seen.has(path)) continue;
    const name = path.slice(path.indexOf("-"));
    const twin = [...ourDrv.inputDrvs.keys()].find(
      (other) => other.slice(other.indexOf("-")) === name && !theirDrv.inputDrvs.has(other),
    );
    return twin === undefined
      ? `${theirPath}: Firn's lacks the input ${path}`
      : descend(path, theirs, twin, ours, seen);
  }
  return `${theirPath} and ${ourPath} differ in ${differenceOf(theirDrv, ourDrv)}`;
}

function differenceOf(theirs: Derivation, ours: Derivation): string {
  for (const part of ["system", "builder"] as const)
    if (theirs[part] !== ours[part]) return `${part}: '${theirs[part]}' and '${ours[part]}'`;
  if (theirs.args.join("\0") !== ours.args.join("\0"))
    return `args: ${theirs.args.join(" ")} and ${ours.args.join(" ")}`;
  for (const path of theirs.inputSrcs)
    if (!ours.inputSrcs.includes(path)) return `the source ${path}, which Firn's lacks`;
  for (const path of ours.inputSrcs)
    if (!theirs.inputSrcs.includes(path)) return `the source ${path}, which only Firn's has`;
  const outputs = new Set(theirs.outputs.keys());
  for (const [name, value] of theirs.env) {
    const own = ours.env.get(name);
    if (own !== value && !outputs.has(name))
      return `the variable ${name}: '${value.slice(0, 300)}' and '${own?.slice(0, 300)}'`;
  }
  for (const name of ours.env.keys()) if (!theirs.env.has(name)) return `the variable ${name}, which only Firn's has`;
  return "the set of inputs";
}
