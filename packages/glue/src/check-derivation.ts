/*
Whether a derivation is reproducible: it is built again, as often as asked, each time with something around it that should not matter made
different (the time, how many cores it is told of, where it is built, what sandbox it is in), and what comes out is compared with what is in the store.

Where outputs go by their contents, what is in the store was rewritten after it was built; there an attempt like the usual one comes first, and
the others are compared with that.
*/

import { type ByteString, pause, throwIfAborted } from "@firn/base";
import {
  type Attempt,
  type AttemptOutput,
  type BuildService,
  type Circumstances,
  type ExplainedDifference,
  explainDifferences,
  lastSuccess,
  recipeDigest,
} from "@firn/build";
import type { Digest, Lease } from "@firn/castore";
import { DEFAULT_STORE_DIR, type Derivation, parseAbsoluteStorePath } from "@firn/nix-compat";
import { isAddressedByContents } from "./address-outputs.ts";
import { BUILD_DIRECTORY } from "./builder-environment.ts";
import { buildDerivations, type BuildOptions, type BuildParts } from "./build-graph.ts";
import { derivationReader } from "./build-plan.ts";
import { closureOf } from "./closure.ts";
import { BUILTIN_BUILDERS, checkBuildable } from "./derivation-attributes.ts";
import { derivationRecipe } from "./derivation-recipe.ts";
import { exportedGraphs } from "./exported-graphs.ts";
import { GlueError } from "./error.ts";
import { RealisedOutputs } from "./realised-outputs.ts";
import { runRecipe } from "./run-recipe.ts";
import { derivationToRun } from "./resolve-derivation.ts";

/** What is different about one more attempt. */
export type CheckVariation = {
  readonly service: BuildService;
  /** Absolute. */
  readonly buildDirectory: ByteString;
  readonly cores: number;
};

export type CheckOptions = BuildOptions & {
  readonly lease: Lease;
  readonly variations: readonly CheckVariation[];
  readonly rangesMax?: number;
};

export type CheckRound = {
  readonly attempt: Attempt;
  readonly buildDirectory: ByteString;
  readonly cores: number;
  /** Between what was there and what came out; none when they are the same. */
  readonly differences: readonly ExplainedDifference[];
};

export type CheckedDerivation = {
  readonly drvPath: ByteString;
  /** Absolute store paths by output name. */
  readonly outputs: ReadonlyMap<string, ByteString>;
  /** None for what Firn makes itself, without a builder. */
  readonly rounds: readonly CheckRound[];
};

/** Clocks of formats are coarse; this far apart, attempts write different times. */
const APART_MS = 2000;

/** Builds the derivation if it was not, then again for each variation, and compares. Throws what `buildDerivations` throws. */
export async function checkDerivation(
  drvPath: ByteString,
  parts: BuildParts,
  options: CheckOptions,
): Promise<CheckedDerivation> {
  const { lease, signal, onEvent } = options;
  const storeDir = parts.storeDir ?? DEFAULT_STORE_DIR;
  const call = { lease, signal };
  const outputs = (await buildDerivations([{ drvPath, outputs: "all" }], parts, options)).get(drvPath) as ReadonlyMap<
    string,
    ByteString
  >;
  const readDerivation = parts.readDerivation ?? derivationReader(parts.blobs, parts.pathInfos, storeDir);
  const derivation = await readDerivation(drvPath, call);
  const { name } = derivation;
  if (BUILTIN_BUILDERS.has(derivation.builder)) return { drvPath, outputs, rounds: [] };

  const inputs = Array.from(derivation.inputDrvs, ([input, names]) => ({ drvPath: input, outputs: names }));
  const built = await buildDerivations(inputs, parts, options); // the outputs may have come from elsewhere, without them
  const realised = new RealisedOutputs({ ...parts, storeDir });
  for (const [input, paths] of built) realised.add(input, paths);
  const runnable = derivationToRun(drvPath, derivation, (input, output) => realised.pathOf(input, output), storeDir);
  const inputPaths = [...derivation.inputSrcs, ...[...built.values()].flatMap((paths) => [...paths.values()])];
  const closure = await closureOf(parts.pathInfos, inputPaths, { ...call, storeDir });
  const nodes = new Map(Array.from(closure, ([path, { node }]) => [path, node]));
  const graphParts = { ...parts, storeDir, readDerivation, realised };
  const graphs = await exportedGraphs(derivation, checkBuildable(derivation), closure, graphParts, call);
  const recipeOf = ({ cores, buildDirectory }: Pick<CheckVariation, "cores" | "buildDirectory">) =>
    derivationRecipe(runnable, nodes, { ...options, storeDir, graphs, cores, buildDirectory }).recipe;

  const attemptWith = async (variation: CheckVariation): Promise<Attempt> => {
    throwIfAborted(signal);
    const counts = { planned: 1, running: 1, done: 0, failed: 0 };
    onEvent?.({ type: "started", drvPath, name, counts });
    const onLine = (line: ByteString) => onEvent?.({ type: "log", drvPath, name, line });
    try {
      const attempt = await runRecipe(recipeOf(variation), { drvPath, name }, variation.service, {
        ...options,
        signal,
        onLine,
      });
      onEvent?.({ type: "finished", drvPath, name, outputs, counts: { ...counts, running: 0, done: 1 } });
      return attempt;
    } catch (thrown) {
      if (thrown instanceof GlueError) onEvent?.({ type: "failed", drvPath, name, error: thrown, counts });
      throw thrown;
    }
  };

  const usual: CheckVariation = {
    service: parts.buildService,
    buildDirectory: BUILD_DIRECTORY,
    cores: options.cores ?? 1,
  };
  const before = isStated(derivation)
    ? await registered(outputs, runnable, recipeDigest(recipeOf(usual)), parts, storeDir)
    : await attemptWith(usual);
  const rounds: CheckRound[] = [];
  for (const variation of options.variations) {
    const waitMs = timesOf(before).endedAtMs + APART_MS - parts.now();
    if (waitMs > 0) await pause(waitMs, signal);
    const attempt = await attemptWith(variation);
    const around = {
      left: { ...timesOf(before), buildDirectory: usual.buildDirectory, cores: usual.cores },
      right: { ...timesOf(attempt), buildDirectory: variation.buildDirectory, cores: variation.cores },
    };
    const compared = explainDifferences(before, attempt, around, parts, { ...call, rangesMax: options.rangesMax });
    const { buildDirectory, cores } = variation;
    rounds.push({ attempt, buildDirectory, cores, differences: await Array.fromAsync(compared) });
  }
  return { drvPath, outputs, rounds };
}

/** Whether what is in the store is what its builder wrote. */
function isStated({ outputs }: Derivation): boolean {
  return ![...outputs.values()].some(isAddressedByContents);
}

type Before = Pick<Attempt, "outputs" | "startedAtMs" | "endedAtMs">;

/** What is in the store, and when it was made as far as that is known. */
async function registered(
  outputs: ReadonlyMap<string, ByteString>,
  runnable: Derivation,
  recipe: Digest,
  { pathInfos, buildService, now }: BuildParts,
  storeDir: string,
): Promise<Before> {
  const made: AttemptOutput[] = [];
  let registeredAtMs = now();
  for (const name of runnable.outputs.keys()) {
    const path = outputs.get(name) as ByteString;
    const info = await pathInfos.get(parseAbsoluteStorePath(path, storeDir).hashPart);
    if (info === undefined) continue; // collected meanwhile, which our lease does not let happen
    made.push({ path: path.slice(1), node: info.node, needles: [] });
    registeredAtMs = (info.registeredAt ?? 0) * 1000 || registeredAtMs;
  }
  const last = await lastSuccess(buildService, { recipe });
  return {
    outputs: made,
    startedAtMs: last?.startedAtMs ?? registeredAtMs,
    endedAtMs: last?.endedAtMs ?? registeredAtMs,
  };
}

function timesOf({
  startedAtMs = 0,
  endedAtMs = startedAtMs,
}: Before): Pick<Circumstances, "startedAtMs" | "endedAtMs"> {
  return { startedAtMs, endedAtMs };
}
