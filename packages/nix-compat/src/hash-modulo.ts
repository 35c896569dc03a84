/*
Which store paths a derivation stands for. An output's path must not change when an input was fetched by other means but with the same
result, so derivations are hashed *modulo* fixed-output derivations: each input's path in the text is replaced by that input's own modulo
hash, and a fixed-output derivation's is made from its output hash alone.

The recursion over inputs is the caller's: it keeps the modulo of every derivation it has seen and hands in a look-up. Follows
hashDerivationModulo and derivationStrictInternal of C++ Nix.
*/

import { assert, type ByteString } from "@firn/base";
import { hashByteStringHex } from "@firn/hash";
import { printDerivation, printDerivationHead, printDerivationTail } from "./aterm.ts";
import {
  DEFERRED_OUTPUT,
  type Derivation,
  derivationKind,
  type DerivationOutput,
  fixedOutputHash,
  sortedMap,
  sortedSet,
} from "./derivation.ts";
import { DEFAULT_STORE_DIR, type StorePath } from "./store-path.ts";
import {
  makeFixedOutputPath,
  makeOutputPath,
  makeTextPathOfHash,
  outputPathName,
  placeholder,
} from "./store-path-hash.ts";

/** What dependants need of a derivation. */
export type DerivationModulo = {
  /** SHA-256 in base 16. */
  readonly hex: string;
  /** True when its outputs' paths are known only after a build, so that its dependants' are, too. */
  readonly deferred: boolean;
};

/** The modulo of the derivation at an absolute .drv path. Must throw when it does not know it. */
export type ModuloLookup = (drvPath: ByteString) => DerivationModulo;

/** The modulo of a derivation whose output paths are filled. */
export function hashDerivationModulo(drv: Derivation, lookup: ModuloLookup): DerivationModulo {
  return hashModulo(drv, lookup, false);
}

/** The modulo over the text with empty output paths: what input-addressed output paths are computed from. */
export function hashMaskedDerivationModulo(drv: Derivation, lookup: ModuloLookup): DerivationModulo {
  return hashModulo(drv, lookup, true);
}

function hashModulo(drv: Derivation, lookup: ModuloLookup, maskOutputs: boolean): DerivationModulo {
  return (
    moduloOfOutputs(drv) ??
    moduloOfText(drv, replaceInputs(drv, lookup), maskOutputs, printDerivationTail(drv, maskOutputs))
  );
}

/** The modulo where it does not depend on the text: fixed-output and impure derivations. */
function moduloOfOutputs(drv: Derivation): DerivationModulo | undefined {
  const kind = derivationKind(drv);
  if (kind === "impure") return { hex: hashByteStringHex("sha256", "impure"), deferred: true };
  if (kind !== "fixed") return undefined;
  const output = drv.outputs.get("out") as DerivationOutput;
  return {
    hex: hashByteStringHex("sha256", `fixed:out:${output.hashAlgorithm}:${output.hash}:${output.path}`),
    deferred: false,
  };
}

type ReplacedInputs = { readonly byHash: ReadonlyMap<string, readonly string[]>; readonly deferred: boolean };

function moduloOfText(
  drv: Derivation,
  inputs: ReplacedInputs,
  maskOutputs: boolean,
  tail: ByteString,
): DerivationModulo {
  const text = printDerivationHead(drv, maskOutputs, inputs.byHash) + tail;
  const deferred = inputs.deferred || derivationKind(drv) !== "input-addressed";
  return { hex: hashByteStringHex("sha256", text), deferred };
}

/** Input derivations under their modulo; those that share one have their output names merged. */
function replaceInputs(drv: Derivation, lookup: ModuloLookup): ReplacedInputs {
  const unsorted = new Map<string, readonly string[]>();
  // What is dynamic has to be built before anything can be said.
  let deferred = drv.dynamicInputs !== undefined;
  for (const [drvPath, outputNames] of drv.inputDrvs) {
    const modulo = lookup(drvPath);
    if (modulo.deferred) deferred = true;
    const same = unsorted.get(modulo.hex);
    unsorted.set(modulo.hex, same === undefined ? outputNames : sortedSet([...same, ...outputNames]));
  }
  return { byHash: sortedMap(unsorted), deferred };
}

export type FilledDerivation = {
  readonly derivation: Derivation;
  /** What its dependants need. */
  readonly modulo: DerivationModulo;
  /** The derivation printed: the contents of its .drv file. */
  readonly text: ByteString;
};

/**
 * The derivation with its output paths filled in, in the outputs and in the environment variables named like them. Input-addressed outputs
 * whose inputs are deferred become `deferred` (and their variables stay empty); floating and impure ones get their placeholder as
 * variable. The argument is left as it is.
 */
export function fillOutputPaths(
  drv: Derivation,
  lookup: ModuloLookup,
  storeDir: string = DEFAULT_STORE_DIR,
): FilledDerivation {
  const kind = derivationKind(drv);
  const inputs = kind === "fixed" || kind === "impure" ? undefined : replaceInputs(drv, lookup);
  let masked: DerivationModulo | undefined;
  if (kind === "input-addressed" && inputs !== undefined) {
    const empty = withOutputs(drv, drv.outputs, () => "");
    masked = moduloOfText(empty, inputs, true, printDerivationTail(empty, true));
  }
  const outputs = new Map<string, DerivationOutput>();
  for (const [name, output] of drv.outputs) outputs.set(name, filledOutput(drv, name, output, masked, storeDir));
  const derivation = withOutputs(drv, outputs, (name, output) =>
    output.kind === "floating" || output.kind === "impure" ? placeholder(name) : output.path,
  );
  const tail = printDerivationTail(derivation, false);
  const text = printDerivationHead(derivation, false, derivation.inputDrvs) + tail;
  const modulo = inputs === undefined ? moduloOfOutputs(derivation) : moduloOfText(derivation, inputs, false, tail);
  assert(modulo !== undefined, "the modulo of a derivation follows from its outputs or its text");
  return { derivation, modulo, text };
}

function filledOutput(
  drv: Derivation,
  name: string,
  output: DerivationOutput,
  masked: DerivationModulo | undefined,
  storeDir: string,
): DerivationOutput {
  if (masked !== undefined) {
    if (masked.deferred) return DEFERRED_OUTPUT;
    const path = makeOutputPath(name, masked.hex, drv.name, storeDir).absolute(storeDir);
    return { kind: "input-addressed", path, hashAlgorithm: "", hash: "" };
  }
  if (output.kind !== "fixed") return output;
  const path = makeFixedOutputPath({ ...fixedOutputHash(output), name: outputPathName(drv.name, name) }, storeDir);
  return { ...output, path: path.absolute(storeDir) };
}

/** The derivation with these outputs, and with what `variable` says in the environment under their names. */
function withOutputs(
  drv: Derivation,
  outputs: ReadonlyMap<string, DerivationOutput>,
  variable: (name: string, output: DerivationOutput) => ByteString,
): Derivation {
  const env = new Map(drv.env);
  for (const [name, output] of outputs) env.set(name, variable(name, output));
  // A key that was there kept its place, so only new ones ask for sorting.
  return { ...drv, outputs, env: env.size === drv.env.size ? env : sortedMap(env) };
}

/** The path of the .drv file itself: a text path over the printed derivation and all its inputs. */
export function derivationPath(drv: Derivation, storeDir: string = DEFAULT_STORE_DIR): StorePath {
  return derivationPathOfText(drv, printDerivation(drv), storeDir);
}

/** The same for callers who have the printed text at hand, because they write it. */
export function derivationPathOfText(
  drv: Derivation,
  text: ByteString,
  storeDir: string = DEFAULT_STORE_DIR,
): StorePath {
  const references = sortedSet([...drv.inputSrcs, ...drv.inputDrvs.keys()]);
  return makeTextPathOfHash(`${drv.name}.drv`, hashByteStringHex("sha256", text), references, storeDir);
}
