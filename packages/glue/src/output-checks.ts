/*
What a derivation says its outputs may be: how large, and what they may and may not refer to. Follows derivation-check.cc and derivation-options.cc,
with their messages.

The lists name store paths, or outputs of the derivation itself. An empty list of what is allowed forbids everything, an absent one nothing.

DEVIATION: `ignoreSelfRefs` in `outputChecks` does what Nix's manual says of it; C++ Nix does not read it there.
*/

import type { ByteString } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import { type Derivation, NixCompatError, parseAbsoluteStorePath } from "@firn/nix-compat";
import type { PathInfo, PathInfoService } from "@firn/store";
import type { DerivationAttributes } from "./derivation-attributes.ts";
import { closureOf } from "./closure.ts";
import { GlueError } from "./error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json-value.ts";

export type OutputChecks = {
  /** Most bytes of the output's NAR, and of its closure's. */
  readonly maxSize?: bigint;
  readonly maxClosureSize?: bigint;
  /** Whether the closure may always hold the output itself. */
  readonly ignoreSelfRefs: boolean;
  readonly allowedReferences?: readonly ByteString[];
  readonly allowedRequisites?: readonly ByteString[];
  readonly disallowedReferences?: readonly ByteString[];
  readonly disallowedRequisites?: readonly ByteString[];
};

const LISTS = ["allowedReferences", "allowedRequisites", "disallowedReferences", "disallowedRequisites"] as const;

/** The checks of each output that has any. Throws `invalid-derivation`. */
export function outputChecks(drv: Derivation, attributes: DerivationAttributes): Map<string, OutputChecks> {
  const checks = new Map<string, OutputChecks>();
  const { structured } = attributes;
  if (structured === undefined) {
    const lists = LISTS.filter((name) => attributes.has(name)).map((name) => [name, attributes.words(name)] as const);
    const all: OutputChecks = { ignoreSelfRefs: true, ...Object.fromEntries(lists) };
    if (lists.length > 0) for (const name of drv.outputs.keys()) checks.set(name, all);
    return checks;
  }
  const byOutput = structured.get("outputChecks");
  if (byOutput === undefined) return checks;
  if (!isJsonObject(byOutput)) throw wrong(drv, "outputChecks", "an object");
  for (const [name, value] of byOutput) {
    const where = `outputChecks."${name}"`;
    if (!isJsonObject(value)) throw wrong(drv, where, "an object");
    checks.set(name, structuredChecks(drv, where, value));
  }
  return checks;
}

function structuredChecks(drv: Derivation, where: string, value: JsonObject): OutputChecks {
  const size = (name: string): bigint | undefined => {
    const bytes = value.get(name);
    if (bytes === undefined || (typeof bytes === "bigint" && bytes >= 0n)) return bytes;
    throw wrong(drv, `${where}.${name}`, "a number of bytes");
  };
  const ignoreSelfRefs = value.get("ignoreSelfRefs") ?? false;
  if (typeof ignoreSelfRefs !== "boolean") throw wrong(drv, `${where}.ignoreSelfRefs`, "a boolean");
  const lists = LISTS.filter((name) => value.has(name)).map((name) => {
    const list = value.get(name) as JsonValue;
    if (Array.isArray(list) && list.every((item) => typeof item === "string")) return [name, list] as const;
    throw wrong(drv, `${where}.${name}`, "a list of strings");
  });
  return {
    maxSize: size("maxSize"),
    maxClosureSize: size("maxClosureSize"),
    ignoreSelfRefs,
    ...Object.fromEntries(lists),
  };
}

function wrong(drv: Derivation, name: string, expected: string): GlueError {
  return new GlueError("invalid-derivation", `attribute '${name}' of derivation '${drv.name}' must be ${expected}`);
}

export type CheckParts = { readonly pathInfos: Pick<PathInfoService, "get">; readonly storeDir: string };

/** What is checked: the outputs by name, not registered yet. */
export type CheckedOutputs = {
  readonly drvPath: ByteString;
  readonly derivation: Derivation;
  readonly infos: ReadonlyMap<string, PathInfo>;
};

/** Throws `build-failed` for the first output that is not as its checks say. */
export async function checkOutputs(
  checked: CheckedOutputs,
  checks: ReadonlyMap<string, OutputChecks>,
  parts: CheckParts,
  options: CallOptions,
): Promise<void> {
  for (const [name, info] of checked.infos) {
    const wanted = checks.get(name);
    if (wanted !== undefined) await checkOutput(checked, name, info, wanted, parts, options);
  }
}

async function checkOutput(
  checked: CheckedOutputs,
  name: string,
  info: PathInfo,
  checks: OutputChecks,
  parts: CheckParts,
  options: CallOptions,
): Promise<void> {
  const refuse = (message: string): never => {
    const context = { derivation: checked.derivation.name, reason: "output-refused" };
    throw new GlueError("build-failed", message, { context });
  };
  const own = info.path.absolute(parts.storeDir);
  const { maxSize, maxClosureSize } = checks;
  if (maxSize !== undefined && BigInt(info.narSize) > maxSize) {
    refuse(`path '${own}' is too large at ${info.narSize} bytes; limit is ${maxSize} bytes`);
  }
  const isDeep =
    maxClosureSize !== undefined || checks.allowedRequisites !== undefined || checks.disallowedRequisites?.length;
  const closure = isDeep ? await closureWith(info, checked.infos, parts, options) : new Map<ByteString, PathInfo>();
  if (maxClosureSize !== undefined) {
    let bytes = 0;
    for (const { narSize } of closure.values()) bytes += narSize;
    if (BigInt(bytes) > maxClosureSize) {
      refuse(`closure of path '${own}' is too large at ${bytes} bytes; limit is ${maxClosureSize} bytes`);
    }
  }
  const resolve = (entry: ByteString): ByteString => {
    if (isStorePath(entry, parts.storeDir)) return entry;
    const output = checked.infos.get(entry);
    if (output !== undefined) return output.path.absolute(parts.storeDir);
    const valid = [...checked.infos.keys()].sort().join(", ");
    return refuse(
      `derivation '${checked.drvPath}' output check for '${name}' contains output name '${entry}', but this is not a valid output of this derivation. (Valid outputs are [${valid}].)`,
    );
  };
  const references = info.references.map((reference) => reference.absolute(parts.storeDir));
  const requisites = [...closure.keys()].filter((path) => !(checks.ignoreSelfRefs && path === own));
  for (const list of LISTS) {
    const entries = checks[list];
    const isAllowing = list.startsWith("allowed");
    if (entries === undefined || (!isAllowing && entries.length === 0)) continue;
    const listed = new Set(entries.map(resolve));
    const used = list.endsWith("Requisites") ? requisites : references;
    const bad = used.filter((path) => listed.has(path) !== isAllowing).sort();
    if (bad.length === 0) continue;
    const lines = bad.map((path) => `\n  ${path}`).join("");
    refuse(`output '${own}' is not allowed to refer to the following paths:${lines}`);
  }
}

function isStorePath(text: ByteString, storeDir: string): boolean {
  try {
    parseAbsoluteStorePath(text, storeDir);
    return true;
  } catch (thrown) {
    if (thrown instanceof NixCompatError) return false;
    throw thrown;
  }
}

/** The closure of an output, by absolute store path; of the other outputs as they are about to be registered. */
async function closureWith(
  root: PathInfo,
  outputs: ReadonlyMap<string, PathInfo>,
  { pathInfos, storeDir }: CheckParts,
  options: CallOptions,
): Promise<Map<ByteString, PathInfo>> {
  const unregistered = new Map(Array.from(outputs.values(), (info) => [info.path.hashPart, info]));
  const overlaid = {
    get: async (hashPart: string, getOptions?: CallOptions) =>
      unregistered.get(hashPart) ?? (await pathInfos.get(hashPart, getOptions)),
  };
  return await closureOf(overlaid, [root.path.absolute(storeDir)], { ...options, storeDir });
}
