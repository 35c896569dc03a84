/*
One derivation built, from its inputs in the store to its outputs in the store: closure, recipe, attempt, registration. What comes
before and after it in a graph is build-graph.ts's business.
*/

import type { ByteString } from "@firn/base";
import {
  type AttemptEnd,
  type AttemptLimits,
  type AttemptOutput,
  BuildError,
  type BuildService,
  type Refusal,
} from "@firn/build";
import type { Lease } from "@firn/castore";
import type { Derivation } from "@firn/nix-compat";
import { areRegistered, type BuildPlan, type BuildStep, derivationReader, outputPaths } from "./build-plan.ts";
import { buildFailure } from "./build-failure.ts";
import { closureOf } from "./closure.ts";
import { checkBuildable, FETCHURL_BUILDER } from "./derivation-attributes.ts";
import { derivationRecipe, type RecipeOptions } from "./derivation-recipe.ts";
import { GlueError } from "./error.ts";
import { exportedGraphs } from "./exported-graphs.ts";
import { fetchStep } from "./fetch-step.ts";
import type { Fetcher } from "./fetcher.ts";
import { LogLines } from "./log-lines.ts";
import { registerOutputs, type RegisterParts } from "./register-outputs.ts";

export type StepParts = RegisterParts & {
  readonly buildService: BuildService;
  readonly lease: Lease;
  /** For derivations that fetch without a builder of their own. */
  readonly fetcher?: Fetcher;
};

export type StepOptions = Omit<RecipeOptions, "storeDir" | "graphs"> &
  AttemptLimits & {
    readonly signal: AbortSignal;
    readonly onLine: (line: ByteString) => void;
  };

/**
 * Builds the step and registers its outputs, or does nothing when someone else has done so meanwhile. Throws GlueError for what is the
 * derivation's fault, BuildError and NixCompatError for the same where they are noticed first, other errors for what is not.
 */
export async function buildStep(
  step: BuildStep,
  plan: BuildPlan,
  parts: StepParts,
  options: StepOptions,
): Promise<void> {
  const { drvPath, derivation } = step;
  const { lease, storeDir } = parts;
  const { signal } = options;
  const paths = outputPaths(drvPath, derivation, derivation.outputs.keys());
  if (await areRegistered(paths, parts, { lease, signal })) return;
  const attributes = checkBuildable(derivation);
  if (derivation.builder === FETCHURL_BUILDER) return await fetchStep(step, parts, parts.fetcher, { lease, signal });
  const closure = await closureOf(parts.pathInfos, inputPaths(step, plan), { lease, signal, storeDir });
  const inputs = new Map(Array.from(closure, ([path, { node }]) => [path, node]));
  const graphParts = { ...parts, readDerivation: derivationReader(parts.blobs, parts.pathInfos, storeDir) };
  const graphs = await exportedGraphs(derivation, attributes, closure, graphParts, { lease, signal });
  const { recipe } = derivationRecipe(derivation, inputs, { ...options, storeDir, graphs });
  const { timeoutMs, silenceMs, buildSpaceBytes, memoryBytes, logBytesMax } = options;
  const submit = { timeoutMs, silenceMs, buildSpaceBytes, memoryBytes, logBytesMax, lease, signal };
  const [id] = await parts.buildService.submit([{ recipe, label: derivation.name }], submit);
  const log = new LogLines(options.onLine);
  const { end, outputs } = await watchToEnd(parts.buildService, id, log);
  signal.throwIfAborted();
  if (end.reason !== "succeeded") throw buildFailure(drvPath, derivation.name, end, log.tail);
  try {
    await registerOutputs({ drvPath, derivation, recipe, outputs }, parts, { lease, signal });
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

/** Sources and the wanted outputs of input derivations. */
function inputPaths({ derivation }: BuildStep, plan: BuildPlan): ByteString[] {
  const paths = [...derivation.inputSrcs];
  for (const [drvPath, names] of derivation.inputDrvs) {
    paths.push(...outputPaths(drvPath, plan.derivations.get(drvPath) as Derivation, names));
  }
  return paths;
}

/** Not by signal: a submission that was withdrawn is over when its attempt is, and nothing may run on behind the caller's back. */
async function watchToEnd(
  service: BuildService,
  id: string,
  log: LogLines,
): Promise<{ readonly end: AttemptEnd; readonly outputs: readonly AttemptOutput[] }> {
  for await (const event of service.watch(id)) {
    if (event.type === "log") log.push(event.bytes);
    if (event.type !== "ended") continue;
    log.end();
    const { end, outputs } = event.attempt;
    if (end !== undefined) return { end, outputs };
  }
  throw new BuildError("unknown-attempt", `the build service stopped reporting on attempt ${id} before it ended`);
}
