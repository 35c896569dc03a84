/*
What a successful attempt made becomes store paths: all outputs of a derivation at once or none. A fixed output's hash is checked here, on
the castore copy that was imported after the builder's last process was gone: nothing a builder left behind can change it any more.
*/

import type { ByteString } from "@firn/base";
import type { AttemptOutput, Recipe } from "@firn/build";
import type { CallOptions, CastoreServices, Node } from "@firn/castore";
import { equalHashes, type Hash, printHash } from "@firn/hash";
import {
  type ContentAddress,
  type Derivation,
  type DerivationOutput,
  fixedOutputHash,
  makeFixedOutputPath,
  outputPathName,
  parseAbsoluteStorePath,
  sortedMap,
  type StorePath,
} from "@firn/nix-compat";
import {
  calculateNar,
  hashContents,
  type PathInfo,
  type PathInfoService,
  sortedReferences,
  StoreError,
} from "@firn/store";
import {
  addressOutput,
  type AddressedOutput,
  checkFlat,
  isAddressedByContents,
  type ScratchOutput,
} from "./address-outputs.ts";
import { DerivationAttributes, discardingOutputs } from "./derivation-attributes.ts";
import { incorrectOutput } from "./checked-derivations.ts";
import { GlueError } from "./error.ts";
import { checkOutputs, outputChecks } from "./output-checks.ts";
import type { OutputPaths } from "./realised-outputs.ts";

export type RegisterParts = CastoreServices & {
  readonly pathInfos: PathInfoService;
  readonly storeDir: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
};

export type BuiltDerivation = {
  readonly drvPath: ByteString;
  /** As it was built: with scratch paths where it does not say where its outputs go. */
  readonly derivation: Derivation;
  /** As derivationRecipe made it: what its needles mean follows from it. */
  readonly recipe: Pick<Recipe, "inputs" | "outputs">;
  /** Of the attempt, in the recipe's order, which is the derivation's. */
  readonly outputs: readonly AttemptOutput[];
};

/**
 * Registers the outputs that are not registered yet, in one put, and yields where they are. Throws `hash-mismatch`, and `build-failed` for
 * outputs that break a rule; then nothing was registered. Outputs that were registered before, or by someone else meanwhile, keep their contents.
 */
export async function registerOutputs(
  built: BuiltDerivation,
  parts: RegisterParts,
  options: CallOptions,
): Promise<OutputPaths> {
  const { derivation } = built;
  const deriver = parseAbsoluteStorePath(built.drvPath, parts.storeDir);
  const registeredAt = Math.floor(parts.now() / 1000);
  const attributes = new DerivationAttributes(derivation);
  const made = new Map<string, PathInfo>();
  const finals = new Map<string, StorePath>();
  for (const output of inOrder(built, madeOutputs(built, attributes, parts.storeDir))) {
    const addressed = isAddressedByContents(output.output)
      ? await addressOutput(output, finals, parts, options)
      : await statedOutput(built, output, parts, options);
    made.set(output.outputName, { ...addressed, deriver, signatures: [], registeredAt });
    finals.set(output.path.hashPart, addressed.path);
  }
  const infos = sortedMap(made);
  await checkOutputs({ ...built, infos }, outputChecks(derivation, attributes), parts, options);
  const missing = await missingOf(infos, parts, options);
  try {
    if (missing.length > 0) await parts.pathInfos.put(missing, options);
  } catch (thrown) {
    const isLostRace = thrown instanceof StoreError && thrown.code === "conflict";
    if (!isLostRace || (await missingOf(infos, parts, options)).length > 0) throw thrown;
  }
  return new Map(Array.from(infos, ([name, { path }]) => [name, path.absolute(parts.storeDir)]));
}

/** An output as it was built. */
type MadeOutput = ScratchOutput & { readonly outputName: string; readonly path: StorePath };

function madeOutputs(
  { derivation, recipe, outputs }: BuiltDerivation,
  attributes: DerivationAttributes,
  storeDir: string,
): Map<string, MadeOutput> {
  const needlePaths = [...recipe.outputs, ...recipe.inputs.map(({ path }) => path)].map((path) =>
    parseAbsoluteStorePath(`/${path}`, storeDir),
  );
  const discarding = discardingOutputs(derivation, attributes);
  const made = new Map<string, MadeOutput>();
  for (const [index, [outputName, output]] of [...derivation.outputs].entries()) {
    const { node, needles } = outputs[index];
    const mentions = sortedReferences(needles.map((needle) => needlePaths[needle]));
    const path = parseAbsoluteStorePath(output.path, storeDir);
    const references = discarding.has(outputName) ? [] : mentions;
    const name = outputPathName(derivation.name, outputName);
    made.set(outputName, { outputName, name, output, path, node, mentions, references });
  }
  return made;
}

/** An output where its derivation says it is; a fixed one has the contents it is said to have. */
async function statedOutput(
  built: BuiltDerivation,
  { output, path, node, references }: MadeOutput,
  parts: RegisterParts,
  options: CallOptions,
): Promise<AddressedOutput> {
  const nar = await calculateNar(node, parts, options);
  const contentAddress =
    output.kind === "fixed" ? await checkFixed(built, output, node, nar.narSha256, parts, options) : undefined;
  if (contentAddress !== undefined) checkNoReferences(built, references, parts.storeDir);
  return { path, node, ...nar, references, contentAddress };
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
  const expected = path.absolute(parts.storeDir);
  if (expected !== output.path) throw incorrectOutput(drvPath, output.path, expected);
  const { method, hash } = specified;
  const { algorithm } = hash;
  checkFlat(method, node, output.path);
  const got: Hash =
    method === "nar" && algorithm === "sha256"
      ? { algorithm, bytes: narSha256 }
      : await hashContents(node, { method, algorithm }, parts, options);
  if (equalHashes(got, specified.hash)) return specified;
  const context = {
    derivation: derivation.name,
    specified: printHash(specified.hash, "sri"),
    got: printHash(got, "sri"),
  };
  const message = `hash mismatch in fixed-output derivation '${drvPath}':\n  specified: ${context.specified}\n     got:    ${context.got}`;
  throw new GlueError("hash-mismatch", message, { context });
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

/**
 * The outputs such that none refers to a later one. Outputs that refer to each other in a ring could only live and die together; then they should
 * be one. In the order of C++ Nix's topoSort.
 */
function inOrder({ drvPath, derivation }: BuiltDerivation, made: ReadonlyMap<string, MadeOutput>): MadeOutput[] {
  const nameOf = new Map(Array.from(made, ([name, { path }]) => [path.hashPart, name]));
  const done = new Set<string>();
  const above = new Set<string>();
  const ordered: MadeOutput[] = [];
  const visit = (name: string, from: string) => {
    if (above.has(name)) {
      const message = `cycle detected in build of '${drvPath}' in the references of output '${name}' from output '${from}'`;
      const context = { derivation: derivation.name, reason: "output-refused" };
      throw new GlueError("build-failed", message, { context });
    }
    if (done.has(name)) return;
    done.add(name);
    above.add(name);
    const output = made.get(name) as MadeOutput;
    const references = output.references.map(({ hashPart }) => nameOf.get(hashPart));
    for (const next of references.filter((next) => next !== undefined).sort()) if (next !== name) visit(next, name);
    above.delete(name);
    ordered.push(output);
  };
  for (const name of [...made.keys()].sort()) visit(name, name);
  return ordered;
}
