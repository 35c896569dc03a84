/*
Which derivations have to be built, in which order: a walk from the targets down their input derivations, which stops wherever the
wanted outputs are registered already. What Firn cannot build is refused here, before anything was started.
*/

import { type ByteString, byteStringOf, mapConcurrently } from "@firn/base";
import { type BlobService, type CallOptions, readBlob } from "@firn/castore";
import {
  type Derivation,
  DERIVATION_BYTES_MAX,
  derivationKind,
  parseAbsoluteStorePath,
  parseDerivation,
} from "@firn/nix-compat";
import type { PathInfoService } from "@firn/store";
import { derivationFailure } from "./build-failure.ts";
import { checkBuildable, DerivationAttributes, discardingOutputs, seesHost } from "./derivation-attributes.ts";
import { GlueError } from "./error.ts";
import { outputChecks } from "./output-checks.ts";
import type { RealisedOutputs } from "./realised-outputs.ts";

/** Derivations read or looked up at once. */
const READS_MAX = 16;

export type BuildTarget = {
  /** Absolute store path of a .drv; where that is an output itself, `<output>!<path of a .drv>`. */
  readonly drvPath: ByteString;
  readonly outputs: readonly string[] | "all";
};

export type ReadDerivation = (drvPath: ByteString, options: CallOptions) => Promise<Derivation>;

export type BuildStep = {
  readonly drvPath: ByteString;
  readonly derivation: Derivation;
  /** Input derivations that have to be built before. */
  readonly dependencies: readonly ByteString[];
};

export type BuildPlan = {
  /** What has to be built, dependencies first, by path of the .drv. */
  readonly steps: ReadonlyMap<ByteString, BuildStep>;
  /** Every derivation that was read: targets, steps and the inputs of steps. */
  readonly derivations: ReadonlyMap<ByteString, Derivation>;
};

/** Tries to have outputs (absolute store paths) from elsewhere, with all they refer to; true when they are registered now. */
export type SubstituteOutputs = (paths: readonly ByteString[], options: CallOptions) => Promise<boolean>;

/** Tries to learn what an output came out as elsewhere, and to have it from there; true when both are registered now. */
export type SubstituteRealised = (drvPath: ByteString, output: string, options: CallOptions) => Promise<boolean>;

export type PlanParts = {
  /** The same where paths are known only after a build. */
  readonly substituteRealised?: SubstituteRealised;
  /** Asked before a derivation is planned to be built; absent: everything is built. */
  readonly substitute?: SubstituteOutputs;
  readonly realised: RealisedOutputs;
  readonly readDerivation: ReadDerivation;
  /** Whether derivations that ask for it may see the host (`__noChroot`). */
  readonly relaxed: boolean;
};

/** Plans. Throws `missing-input`, `invalid-derivation` or `unsupported`. */
export async function planBuild(
  targets: readonly BuildTarget[],
  parts: PlanParts,
  options: CallOptions,
): Promise<BuildPlan> {
  const derivations = new Map<ByteString, Derivation>();
  const unordered = new Map<ByteString, Derivation>();
  const visit = async (
    [drvPath, names]: readonly [ByteString, ReadonlySet<string>],
    signal: AbortSignal,
  ): Promise<void> => {
    const derivation =
      derivations.get(drvPath) ?? (await parts.readDerivation(drvPath, { lease: options.lease, signal }));
    derivations.set(drvPath, derivation);
    if (unordered.has(drvPath)) return;
    const call = { lease: options.lease, signal };
    if (await parts.realised.find(drvPath, derivation, names, call)) return;
    if (await substituted(drvPath, derivation, names, parts, call))
      if (await parts.realised.find(drvPath, derivation, names, call)) return;
    try {
      const attributes = checkBuildable(derivation);
      outputChecks(derivation, attributes);
      discardingOutputs(derivation, attributes);
      seesHost(drvPath, attributes, parts.relaxed);
    } catch (thrown) {
      throw derivationFailure(drvPath, thrown) ?? thrown;
    }
    unordered.set(drvPath, derivation);
    for (const [input, wanted] of derivation.inputDrvs) want(next, input, wanted);
    // Of what is dynamic only the beginning can be planned; the rest is, when that is built.
    for (const [input, dynamic] of derivation.dynamicInputs ?? []) want(next, input, dynamic.keys());
  };
  let next = new Map<ByteString, Set<string>>();
  const roots = targets.map(({ drvPath }) => drvPath);
  await mapConcurrently(
    new Set(roots),
    READS_MAX,
    async (drvPath, signal) => {
      derivations.set(drvPath, await parts.readDerivation(drvPath, { lease: options.lease, signal }));
    },
    options.signal,
  );
  for (const { drvPath, outputs } of targets)
    want(next, drvPath, outputNames(derivations.get(drvPath) as Derivation, outputs));
  while (next.size > 0) {
    const wave = next;
    next = new Map();
    await mapConcurrently(wave, READS_MAX, visit, options.signal);
  }
  const steps = inOrder(unordered);
  for (const step of steps.values()) checkPurity(step, derivations);
  return { steps, derivations };
}

/** Whether all of these outputs came from elsewhere. Not asked where a derivation forbids it, nor for what is built anew each time. */
async function substituted(
  drvPath: ByteString,
  derivation: Derivation,
  names: ReadonlySet<string>,
  { substitute, substituteRealised }: PlanParts,
  options: CallOptions,
): Promise<boolean> {
  if (substitute === undefined) return false;
  if (!new DerivationAttributes(derivation).allowsSubstitutes) return false;
  const known: ByteString[] = [];
  for (const name of names) {
    const output = derivation.outputs.get(name);
    if (output === undefined || output.kind === "impure") return false;
    if (output.path !== "") known.push(output.path);
    else if (!(await substituteRealised?.(drvPath, name, options))) return false;
  }
  return known.length === 0 || (await substitute(known, options));
}

/** What is built anew each time could be another thing for a dependant each time: only those may depend on it whose result is known, or is impure as well. */
function checkPurity({ drvPath, derivation }: BuildStep, derivations: ReadonlyMap<ByteString, Derivation>): void {
  const kind = derivationKind(derivation);
  if (kind === "impure" || kind === "fixed") return;
  for (const input of derivation.inputDrvs.keys()) {
    const known = derivations.get(input);
    if (known === undefined || derivationKind(known) !== "impure") continue;
    const message = `pure derivation '${drvPath}' depends on impure derivation '${input}'`;
    throw new GlueError("invalid-derivation", message, { context: { derivation: derivation.name } });
  }
}

function want(wave: Map<ByteString, Set<string>>, drvPath: ByteString, names: Iterable<string>): void {
  const wanted = wave.get(drvPath) ?? new Set();
  for (const name of names) wanted.add(name);
  wave.set(drvPath, wanted);
}

/** The names a target means. */
export function outputNames(derivation: Derivation, outputs: readonly string[] | "all"): readonly string[] {
  return outputs === "all" ? [...derivation.outputs.keys()] : outputs;
}

/** Dependencies first; steps that do not depend on each other in the order they were met. */
function inOrder(unordered: ReadonlyMap<ByteString, Derivation>): Map<ByteString, BuildStep> {
  const steps = new Map<ByteString, BuildStep>();
  const entered = new Set<ByteString>();
  const stack = [...unordered.keys()].reverse();
  for (let drvPath = stack.at(-1); drvPath !== undefined; drvPath = stack.at(-1)) {
    const derivation = unordered.get(drvPath) as Derivation;
    const dependencies = [...derivation.inputDrvs.keys()].filter((input) => unordered.has(input));
    const waiting = entered.has(drvPath) ? [] : dependencies.filter((input) => !steps.has(input));
    entered.add(drvPath);
    if (waiting.length > 0) stack.push(...waiting.reverse());
    else {
      stack.pop();
      if (!steps.has(drvPath)) steps.set(drvPath, { drvPath, derivation, dependencies });
    }
  }
  return steps;
}

/** Reads derivations from a store. Throws `missing-input`, `invalid-derivation` or `unsupported`. */
export function derivationReader(
  blobs: BlobService,
  pathInfos: Pick<PathInfoService, "get">,
  storeDir: string,
): ReadDerivation {
  return async (drvPath, options) => {
    const path = parseAbsoluteStorePath(drvPath, storeDir);
    const info = await pathInfos.get(path.hashPart, options);
    if (!info?.path.equals(path)) {
      throw new GlueError("missing-input", `derivation '${drvPath}' is not in the store`, {
        context: { path: drvPath },
      });
    }
    if (info.node.kind !== "file" || !path.isDerivation) {
      throw new GlueError("invalid-derivation", `'${drvPath}' is not a derivation`, { context: { path: drvPath } });
    }
    const text = byteStringOf(await readBlob(blobs, info.node.digest, DERIVATION_BYTES_MAX, options));
    try {
      return parseDerivation(text, path.name.slice(0, -".drv".length), storeDir);
    } catch (thrown) {
      throw derivationFailure(drvPath, thrown) ?? thrown;
    }
  };
}
