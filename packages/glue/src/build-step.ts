/*
One derivation built, from its inputs in the store to its outputs in the store: resolved where it has to be, then closure, recipe, attempt,
registration. What comes before and after it in a graph is graph-run.ts's business.
*/

import type { ByteString } from "@firn/base";
import type { AttemptLimits, BuildService, Refusal } from "@firn/build";
import type { CallOptions, Lease } from "@firn/castore";
import { type Derivation, derivationKind, parseAbsoluteStorePath } from "@firn/nix-compat";
import type { Realisation, RealisationService } from "@firn/store";
import { withScratchPaths } from "./address-outputs.ts";
import { type BuildPlan, type BuildStep, derivationReader } from "./build-plan.ts";
import { builtinStep } from "./builtin-step.ts";
import { closureOf } from "./closure.ts";
import { BUILTIN_BUILDERS, checkBuildable } from "./derivation-attributes.ts";
import { derivationRecipe } from "./derivation-recipe.ts";
import type { RecipeOptions } from "./builder-environment.ts";
import { GlueError } from "./error.ts";
import { exportedGraphs } from "./exported-graphs.ts";
import type { Fetcher } from "./fetcher.ts";
import type { PendingObject } from "./pending.ts";
import type { OutputPaths, RealisedOutputs } from "./realised-outputs.ts";
import { registerOutputs, type RegisterParts } from "./register-outputs.ts";
import { runRecipe } from "./run-recipe.ts";
import { needsResolution, resolveDerivation, type ResolvedDerivation } from "./resolve-derivation.ts";
import { writePending } from "./write-pending.ts";

export type StepParts = RegisterParts & {
  readonly realisations: RealisationService;
  readonly buildService: BuildService;
  readonly lease: Lease;
  /** For derivations that fetch without a builder of their own. */
  readonly fetcher?: Fetcher;
};

export type StepOptions = Omit<RecipeOptions, "storeDir" | "graphs"> &
  AttemptLimits & {
    readonly signal: AbortSignal;
    /** Called when it turns out that something has to be built; it may not, when inputs came out as they did before. */
    readonly onStart: () => void;
    readonly onLine: (line: ByteString) => void;
    /** Of what a builder says fast, only the last lines are needed. */
    readonly lastLinesOnly?: boolean;
  };

/**
 * Builds the step, registers its outputs and yields where they are; or does nothing when someone else has done so meanwhile. The outputs of
 * its inputs are among `realised`. Throws GlueError for what is the derivation's fault, BuildError and NixCompatError for the same where they
 * are noticed first, other errors for what is not.
 */
export async function buildStep(
  step: BuildStep,
  plan: BuildPlan,
  realised: RealisedOutputs,
  parts: StepParts,
  options: StepOptions,
): Promise<OutputPaths> {
  const call = { lease: parts.lease, signal: options.signal };
  const { drvPath, derivation } = step;
  const found = await realised.find(drvPath, derivation, derivation.outputs.keys(), call);
  if (found !== undefined) return found;
  const pathOf = (input: ByteString, output: string) => realised.pathOf(input, output);
  const isStated = (input: ByteString, output: string) => plan.derivations.get(input)?.outputs.get(output)?.path !== "";
  if (!needsResolution(derivation, isStated)) {
    const inputs = [...derivation.inputSrcs];
    for (const [input, names] of derivation.inputDrvs)
      for (const name of names) inputs.push(pathOf(input, name) as ByteString);
    const outputs = await buildBasic(step, inputs, realised, parts, options);
    await keepRealisations(derivation, [drvPath], outputs, parts, call);
    return outputs;
  }
  const resolved = resolveDerivation(derivation, pathOf, parts.storeDir);
  const known = await realised.find(resolved.drvPath, resolved.derivation, derivation.outputs.keys(), call);
  if (known === undefined) await writeDerivation(resolved, parts, call);
  const outputs = known ?? (await buildBasic(resolved, resolved.derivation.inputSrcs, realised, parts, options));
  await keepRealisations(derivation, [resolved.drvPath, drvPath], outputs, parts, call);
  return outputs;
}

/** Builds a derivation that says of its inputs where they are: `inputs`, absolute store paths. */
async function buildBasic(
  { drvPath, derivation }: Pick<BuildStep, "drvPath" | "derivation">,
  inputs: readonly ByteString[],
  realised: RealisedOutputs,
  parts: StepParts,
  options: StepOptions,
): Promise<OutputPaths> {
  const { lease, storeDir } = parts;
  const { signal } = options;
  const attributes = checkBuildable(derivation);
  options.onStart();
  const closure = await closureOf(parts.pathInfos, inputs, { lease, signal, storeDir });
  const scratch = withScratchPaths(drvPath, derivation, storeDir);
  const nodes = new Map(Array.from(closure, ([path, { node }]) => [path, node]));
  if (BUILTIN_BUILDERS.has(derivation.builder)) {
    const step = { drvPath, derivation: scratch, inputs: nodes };
    return await builtinStep(step, parts, options.onLine, { lease, signal });
  }
  const graphParts = { ...parts, realised, readDerivation: derivationReader(parts.blobs, parts.pathInfos, storeDir) };
  const graphs = await exportedGraphs(derivation, attributes, closure, graphParts, { lease, signal });
  const { recipe } = derivationRecipe(scratch, nodes, { ...options, storeDir, graphs });
  const running = { ...options, preferLocal: attributes.flag("preferLocalBuild"), lease };
  const attempt = await runRecipe(recipe, { drvPath, name: derivation.name }, parts.buildService, running);
  const { id, outputs } = attempt;
  try {
    return await registerOutputs({ drvPath, derivation: scratch, recipe, outputs }, parts, { lease, signal });
  } catch (thrown) {
    const refusal = refusalOf(thrown);
    if (refusal !== undefined) await parts.buildService.refuse(id, refusal);
    throw thrown;
  }
}

/** What the record of an attempt says whose outputs are not what the derivation promised. */
function refusalOf(thrown: unknown): Refusal | undefined {
  if (!(thrown instanceof GlueError)) return undefined;
  if (thrown.code !== "hash-mismatch" && thrown.code !== "build-failed") return undefined;
  return { reason: thrown.code === "hash-mismatch" ? "hash-mismatch" : "check-failed", why: thrown.message };
}

/** A derivation that no evaluation wrote: it is the deriver of what is built from it. */
async function writeDerivation(resolved: ResolvedDerivation, parts: StepParts, options: CallOptions): Promise<void> {
  const { drvPath: path, text, derivation } = resolved;
  const object: PendingObject = { kind: "derivation", path, text, references: derivation.inputSrcs };
  await writePending([object], parts, { ...options, now: parts.now, storeDir: parts.storeDir });
}

/** Says what these derivations came out as, where they do not say it themselves and it is not for this time only. */
async function keepRealisations(
  derivation: Derivation,
  drvPaths: readonly ByteString[],
  outputs: OutputPaths,
  { realisations, storeDir }: StepParts,
  options: CallOptions,
): Promise<void> {
  const kind = derivationKind(derivation);
  if (kind !== "floating" && kind !== "deferred") return;
  const kept: Realisation[] = [];
  for (const drv of new Set(drvPaths)) {
    const drvPath = parseAbsoluteStorePath(drv, storeDir);
    for (const [output, path] of outputs)
      kept.push({ drvPath, output, path: parseAbsoluteStorePath(path, storeDir), signatures: [] });
  }
  await realisations.put(kept, options);
}
