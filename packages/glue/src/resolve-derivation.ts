/*
A derivation whose inputs have been built, with their store paths in place of what stood for them: it has sources only. Two derivations that
resolve to one are one build, however they were written: so a change of an input that did not change what it makes goes no further.

Follows Derivation::shouldResolve and tryResolve of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import {
  type Derivation,
  derivationKind,
  derivationPathOfText,
  downstreamPlaceholder,
  downstreamPlaceholderOfOutput,
  type DynamicInputs,
  fillOutputPaths,
  parseAbsoluteStorePath,
  sortedMap,
  sortedSet,
  UNFILLED_OUTPUT,
} from "@firn/nix-compat";
import { withScratchPaths } from "./address-outputs.ts";
import { GlueError } from "./error.ts";
import { missingOutput } from "./realised-outputs.ts";

/** Store path of an output of the derivation at `drvPath`; undefined where it is not known. */
export type OutputLookup = (drvPath: ByteString, output: string) => ByteString | undefined;

export type ResolvedDerivation = {
  readonly drvPath: ByteString;
  readonly derivation: Derivation;
  /** The contents of its .drv. */
  readonly text: ByteString;
};

/** Whether the derivation has to be resolved before it can be built: whether what it says or where its outputs go waits for its inputs. */
export function needsResolution(drv: Derivation, isStated: OutputStated): boolean {
  if (drv.inputDrvs.size === 0) return false;
  if (drv.dynamicInputs !== undefined) return true;
  const kind = derivationKind(drv);
  if (kind !== "fixed") return kind !== "input-addressed";
  for (const [input, names] of drv.inputDrvs) if (names.some((name) => !isStated(input, name))) return true;
  return false;
}

/** Whether the derivation at `drvPath` says itself where the output goes. */
export type OutputStated = (drvPath: ByteString, output: string) => boolean;

/** The derivation as its builder gets it, for who runs something else in its place: resolved, with scratch paths. Throws `missing-input`. */
export function derivationToRun(
  drvPath: ByteString,
  drv: Derivation,
  pathOf: OutputLookup,
  storeDir: string,
): Derivation {
  // A fixed output is where it is either way, and some of its inputs may have been left out on purpose.
  if (!needsResolution(drv, () => true)) return withScratchPaths(drvPath, drv, storeDir);
  const resolved = resolveDerivation(drv, pathOf, storeDir);
  return withScratchPaths(resolved.drvPath, resolved.derivation, storeDir);
}

/** All outputs of inputs must be known. */
export function resolveDerivation(drv: Derivation, pathOf: OutputLookup, storeDir: string): ResolvedDerivation {
  const rewrites = new Map<ByteString, ByteString>();
  const sources = new Set(drv.inputSrcs);
  const needPath = (drvPath: ByteString, name: string) => pathOf(drvPath, name) ?? missingOutput(drvPath, name);
  const take = (drvPath: ByteString, names: readonly string[], placeholderOf: (output: string) => string) => {
    for (const name of names) {
      const path = needPath(drvPath, name);
      rewrites.set(placeholderOf(name), path);
      sources.add(path);
    }
  };
  const takeDynamic = (drvPath: ByteString, dynamic: DynamicInputs, placeholderOf: (output: string) => string) => {
    for (const [output, wanted] of dynamic) {
      const inner = needPath(drvPath, output);
      const placeholder = placeholderOf(output);
      const innerPlaceholder = (name: string) => downstreamPlaceholderOfOutput(placeholder, name);
      take(inner, wanted.outputs, innerPlaceholder);
      if (wanted.dynamic !== undefined) takeDynamic(inner, wanted.dynamic, innerPlaceholder);
    }
  };
  for (const [input, names] of drv.inputDrvs) {
    const path = parseAbsoluteStorePath(input, storeDir);
    const placeholderOf = (output: string) => downstreamPlaceholder(path, output);
    take(input, names, placeholderOf);
    const dynamic = drv.dynamicInputs?.get(input);
    if (dynamic !== undefined) takeDynamic(input, dynamic, placeholderOf);
  }
  const rewrite = (text: ByteString) => {
    let rewritten = text;
    for (const [from, to] of rewrites) rewritten = rewritten.replaceAll(from, () => to);
    return rewritten;
  };
  const { dynamicInputs: _, ...rest } = drv;
  const isDeferred = derivationKind(drv) === "deferred";
  const basic: Derivation = {
    ...rest,
    outputs: isDeferred ? sortedMap(Array.from(drv.outputs.keys(), (name) => [name, UNFILLED_OUTPUT])) : drv.outputs,
    inputDrvs: new Map(),
    inputSrcs: sortedSet(sources),
    builder: rewrite(drv.builder),
    args: drv.args.map(rewrite),
    env: sortedMap(Array.from(drv.env, ([name, value]) => [rewrite(name), rewrite(value)])),
  };
  const noInputs = () => {
    throw new GlueError("invalid-derivation", "a resolved derivation has no input derivations");
  };
  const { derivation, text } = fillOutputPaths(basic, noInputs, storeDir);
  return { drvPath: derivationPathOfText(derivation, text, storeDir).absolute(storeDir), derivation, text };
}
