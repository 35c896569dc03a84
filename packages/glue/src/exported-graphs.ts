/*
`exportReferencesGraph`: what a builder is told about the closures of some of its inputs, as a file in Nix's registration format for each name or,
with structured attributes, as lists in .attrs.json. Follows DerivationOptions, Store::exportReferences, Store::makeValidityRegistration and
pathInfoToJSON of parsed-derivations.cc.
*/

import type { ByteString } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import { type Derivation, parseStorePathPrefix, printContentAddress, sortedMap, sortedSet } from "@firn/nix-compat";
import { printHash } from "@firn/hash";
import type { PathInfo, PathInfoService } from "@firn/store";
import type { ReadDerivation } from "./build-plan.ts";
import { closureOf } from "./closure.ts";
import type { DerivationAttributes } from "./derivation-attributes.ts";
import { GlueError } from "./error.ts";
import { isJsonObject, type JsonValue } from "./json-value.ts";
import { missingOutput, type RealisedOutputs } from "./realised-outputs.ts";

const ATTRIBUTE = "exportReferencesGraph";
const FILE_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** Path infos by absolute store path, everything they refer to included; by the name the derivation gives. */
export type ExportedGraphs = ReadonlyMap<ByteString, ReadonlyMap<ByteString, PathInfo>>;

export type GraphParts = {
  readonly pathInfos: Pick<PathInfoService, "get">;
  readonly readDerivation: ReadDerivation;
  /** Knows outputs that follow from their contents. */
  readonly realised: Pick<RealisedOutputs, "find">;
  readonly storeDir: string;
};

/**
 * The graphs a derivation asks for. `inputs` is the closure of its inputs, by absolute store path. A graph that has derivations has their outputs, too.
 * Throws `invalid-derivation`, `build-failed` for a path that is no input, `missing-input` for an output that is not there.
 */
export async function exportedGraphs(
  drv: Derivation,
  attributes: DerivationAttributes,
  inputs: ReadonlyMap<ByteString, PathInfo>,
  parts: GraphParts,
  options: CallOptions,
): Promise<ExportedGraphs> {
  const graphs = new Map<ByteString, ReadonlyMap<ByteString, PathInfo>>();
  for (const [name, texts] of wantedGraphs(drv, attributes)) {
    const roots = sortedSet(
      texts.map((text) => parseStorePathPrefix(text, parts.storeDir).path.absolute(parts.storeDir)),
    );
    for (const root of roots) {
      if (inputs.has(root)) continue;
      const message = `cannot export references of path '${root}' because it is not in the input closure of the derivation`;
      throw new GlueError("build-failed", message, { context: { derivation: drv.name, reason: "input-rejected" } });
    }
    graphs.set(name, await withOutputs(roots, parts, options));
  }
  return graphs;
}

/**
 * The closure of the paths and of all outputs of the derivations in it.
 *
 * DEVIATION: C++ Nix has no graphs where an output follows from its contents ("exportReferences on CA derivations is not yet implemented").
 */
async function withOutputs(
  roots: readonly ByteString[],
  { pathInfos, readDerivation, realised, storeDir }: GraphParts,
  options: CallOptions,
): Promise<Map<ByteString, PathInfo>> {
  const closureOptions = { ...options, storeDir };
  const closure = await closureOf(pathInfos, roots, closureOptions);
  const outputs: ByteString[] = [];
  for (const [path, info] of closure) {
    if (!info.path.isDerivation) continue;
    const derivation = await readDerivation(path, options);
    for (const [name, { path: stated }] of derivation.outputs) {
      const found = stated === "" ? await realised.find(path, derivation, [name], options) : undefined;
      outputs.push(found?.get(name) ?? (stated || missingOutput(path, name)));
    }
  }
  return outputs.length === 0 ? closure : await closureOf(pathInfos, [...roots, ...outputs], closureOptions);
}

/** Names and what stands for paths there, which may lie below a store path. */
function wantedGraphs(drv: Derivation, attributes: DerivationAttributes): Map<ByteString, ByteString[]> {
  const wanted = new Map<ByteString, ByteString[]>();
  if (attributes.structured !== undefined) {
    const value = attributes.structured.get(ATTRIBUTE);
    if (!isJsonObject(value)) return wanted; // C++ Nix warns and goes on, too
    for (const [name, paths] of value) wanted.set(name, flatten(drv, paths));
    return wanted;
  }
  const words = attributes.words(ATTRIBUTE);
  if (words.length % 2 !== 0) throw invalid(drv, `odd number of tokens in '${ATTRIBUTE}': '${drv.env.get(ATTRIBUTE)}'`);
  for (let i = 0; i < words.length; i += 2) {
    if (!FILE_NAME.test(words[i])) throw invalid(drv, `invalid file name '${words[i]}' in '${ATTRIBUTE}'`);
    wanted.set(words[i], [words[i + 1]]);
  }
  return wanted;
}

function flatten(drv: Derivation, value: JsonValue): ByteString[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap((item) => flatten(drv, item));
  throw invalid(drv, `'${ATTRIBUTE}' value is not an array or a string`);
}

function invalid(drv: Derivation, message: string): GlueError {
  return new GlueError("invalid-derivation", message, { context: { derivation: drv.name } });
}

/** A graph as a file: for each path itself, an empty line (its deriver is not told), the number of references, and these. */
export function registrationText(graph: ReadonlyMap<ByteString, PathInfo>, storeDir: string): ByteString {
  let text = "";
  for (const [path, { references }] of sortedMap(graph)) {
    text += `${path}\n\n${references.length}\n`;
    for (const reference of references) text += `${reference.absolute(storeDir)}\n`;
  }
  return text;
}

/** A graph as JSON, sorted by path. */
export function graphJson(graph: ReadonlyMap<ByteString, PathInfo>, storeDir: string): JsonValue {
  return Array.from(sortedMap(graph), ([path, info]) =>
    sortedMap<JsonValue>([
      ["closureSize", BigInt(closureSize(path, graph, storeDir))],
      ["narHash", printHash({ algorithm: "sha256", bytes: info.narSha256 }, "nix32")],
      ["narSize", BigInt(info.narSize)],
      ["path", path],
      ["references", info.references.map((reference) => reference.absolute(storeDir))],
      ["valid", true],
      ...(info.contentAddress === undefined ? [] : [["ca", printContentAddress(info.contentAddress)] as const]),
    ]),
  );
}

/** Bytes of the NARs of everything a path leads to, itself included. */
function closureSize(root: ByteString, graph: ReadonlyMap<ByteString, PathInfo>, storeDir: string): number {
  const seen = new Set([root]);
  let size = 0;
  for (const path of seen) {
    const info = graph.get(path) as PathInfo;
    size += info.narSize;
    for (const reference of info.references) seen.add(reference.absolute(storeDir));
  }
  return size;
}
