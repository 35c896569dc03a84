/*
What a successful attempt made becomes store paths: all outputs of a derivation at once or none. A fixed output's hash is checked here, on
the castore copy that was imported after the builder's last process was gone: nothing a builder left behind can change it any more.
*/

import type { ByteString } from "@firn/base";
import type { AttemptOutput, Recipe } from "@firn/build";
import type { CallOptions, CastoreServices, Node } from "@firn/castore";
import { createHasher, equalHashes, type Hash, printHash } from "@firn/hash";
import {
  type ContentAddress,
  type Derivation,
  type DerivationOutput,
  fixedOutputHash,
  makeFixedOutputPath,
  outputPathName,
  parseAbsoluteStorePath,
  type StorePath,
} from "@firn/nix-compat";
import {
  calculateNar,
  gitHash,
  type PathInfo,
  type PathInfoService,
  renderNar,
  sortedReferences,
  StoreError,
} from "@firn/store";
import { DerivationAttributes, discardingOutputs } from "./derivation-attributes.ts";
import { GlueError } from "./error.ts";
import { checkOutputs, outputChecks } from "./output-checks.ts";

export type RegisterParts = CastoreServices & {
  readonly pathInfos: PathInfoService;
  readonly storeDir: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
};

export type BuiltDerivation = {
  readonly drvPath: ByteString;
  readonly derivation: Derivation;
  /** As derivationRecipe made it: what its needles mean follows from it. */
  readonly recipe: Pick<Recipe, "inputs" | "outputs">;
  /** Of the attempt, in the recipe's order, which is the derivation's. */
  readonly outputs: readonly AttemptOutput[];
};

/**
 * Registers the outputs that are not registered yet, in one put. Throws `hash-mismatch`, and `build-failed` for outputs that break a
 * rule; then nothing was registered. Outputs that were registered before, or by someone else meanwhile, keep their contents.
 */
export async function registerOutputs(
  built: BuiltDerivation,
  parts: RegisterParts,
  options: CallOptions,
): Promise<void> {
  const { derivation, outputs, recipe } = built;
  const deriver = parseAbsoluteStorePath(built.drvPath, parts.storeDir);
  const needlePaths = [...recipe.outputs, ...recipe.inputs.map(({ path }) => path)].map((path) =>
    parseAbsoluteStorePath(`/${path}`, parts.storeDir),
  );
  const attributes = new DerivationAttributes(derivation);
  const discarding = discardingOutputs(derivation, attributes);
  const infos = new Map<string, PathInfo>();
  for (const [index, [name, output]] of [...derivation.outputs].entries()) {
    const { node, needles } = outputs[index];
    const nar = await calculateNar(node, parts, options);
    const references = discarding.has(name) ? [] : sortedReferences(needles.map((needle) => needlePaths[needle]));
    const contentAddress =
      output.kind === "fixed" ? await checkFixed(built, output, node, nar.narSha256, parts, options) : undefined;
    if (contentAddress !== undefined) checkNoReferences(built, references, parts.storeDir);
    const path = parseAbsoluteStorePath(output.path, parts.storeDir);
    const registeredAt = Math.floor(parts.now() / 1000);
    infos.set(name, { path, node, ...nar, references, deriver, contentAddress, signatures: [], registeredAt });
  }
  checkAcyclic(built, infos);
  await checkOutputs({ ...built, infos }, outputChecks(derivation, attributes), parts, options);
  const missing = await missingOf(infos, parts, options);
  try {
    if (missing.length > 0) await parts.pathInfos.put(missing, options);
  } catch (thrown) {
    const isLostRace = thrown instanceof StoreError && thrown.code === "conflict";
    if (!isLostRace || (await missingOf(infos, parts, options)).length > 0) throw thrown;
  }
}

async function missingOf(
  infos: ReadonlyMap<string, PathInfo>,
  parts: RegisterParts,
  options: CallOptions,
): Promise<PathInfo[]> {
  const missing: PathInfo[] = [];
  for (const info of infos.values()) if (!(await parts.pathInfos.get(info.path.hashPart, options))) missing.push(info);
  return missing;
}

/** The content address of a fixed output, after its contents were seen to have the hash that was specified. */
async function checkFixed(
  { drvPath, derivation }: BuiltDerivation,
  output: DerivationOutput,
  node: Node,
  narSha256: Uint8Array,
  parts: RegisterParts,
  options: CallOptions,
): Promise<ContentAddress> {
  const specified: ContentAddress = fixedOutputHash(output);
  const path = makeFixedOutputPath({ ...specified, name: outputPathName(derivation.name, "out") }, parts.storeDir);
  if (path.absolute(parts.storeDir) !== output.path) {
    throw new GlueError(
      "invalid-derivation",
      `derivation '${drvPath}' has incorrect output '${output.path}', should be '${path.absolute(parts.storeDir)}'`,
    );
  }
  const { algorithm } = specified.hash;
  const isNarSha256 = specified.method === "nar" && algorithm === "sha256";
  const bytes = isNarSha256 ? narSha256 : await hashContents(specified, derivation, output.path, node, parts, options);
  const got: Hash = { algorithm, bytes };
  if (equalHashes(got, specified.hash)) return specified;
  const context = {
    derivation: derivation.name,
    specified: printHash(specified.hash, "sri"),
    got: printHash(got, "sri"),
  };
  const message = `hash mismatch in fixed-output derivation '${drvPath}':\n  specified: ${context.specified}\n     got:    ${context.got}`;
  throw new GlueError("hash-mismatch", message, { context });
}

async function hashContents(
  { method, hash }: ContentAddress,
  derivation: Derivation,
  path: ByteString,
  node: Node,
  parts: RegisterParts,
  options: CallOptions,
): Promise<Uint8Array> {
  if (method === "git") return await gitHash(node, hash.algorithm, parts, options);
  const hasher = createHasher(hash.algorithm);
  if (method === "nar") {
    for await (const chunk of renderNar(node, parts, options)) hasher.update(chunk);
    return hasher.digest();
  }
  if (node.kind !== "file" || node.executable) {
    const message = `output path '${path}' should be a non-executable regular file since recursive hashing is not enabled (one of outputHashMode={flat,text} is true)`;
    throw new GlueError("build-failed", message, {
      context: { derivation: derivation.name, reason: "output-refused" },
    });
  }
  await using reader = await parts.blobs.openRead(node.digest, options);
  if (reader === undefined) throw new GlueError("missing-input", `the contents of '${path}' are not in the store`);
  for await (const chunk of reader.stream()) hasher.update(chunk);
  return hasher.digest();
}

/** Where a fixed output may be found follows from its contents alone, so it could not say what it needs. */
function checkNoReferences(
  { drvPath, derivation }: BuiltDerivation,
  references: readonly StorePath[],
  storeDir: string,
) {
  if (references.length === 0) return;
  const message = `fixed-output derivations must not reference store paths: '${drvPath}' references ${references.length} distinct paths, e.g. '${references[0].absolute(storeDir)}'`;
  throw new GlueError("build-failed", message, { context: { derivation: derivation.name, reason: "output-refused" } });
}

/** Outputs that refer to each other in a ring could only live and die together; then they should be one. In the order of C++ Nix's topoSort. */
function checkAcyclic({ drvPath, derivation }: BuiltDerivation, infos: ReadonlyMap<string, PathInfo>): void {
  const nameOf = new Map(Array.from(infos, ([name, { path }]) => [path.hashPart, name]));
  const done = new Set<string>();
  const above = new Set<string>();
  const visit = (name: string, from: string) => {
    if (above.has(name)) {
      const message = `cycle detected in build of '${drvPath}' in the references of output '${name}' from output '${from}'`;
      const context = { derivation: derivation.name, reason: "output-refused" };
      throw new GlueError("build-failed", message, { context });
    }
    if (done.has(name)) return;
    done.add(name);
    above.add(name);
    const references = (infos.get(name) as PathInfo).references.map(({ hashPart }) => nameOf.get(hashPart));
    for (const next of references.filter((next) => next !== undefined).sort()) if (next !== name) visit(next, name);
    above.delete(name);
  };
  for (const name of [...infos.keys()].sort()) visit(name, name);
}
