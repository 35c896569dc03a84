/*
Derivations as plain data: what a .drv file says. The name is not in the file, it comes from the file's own name. All text is
byte strings, all store paths are absolute byte strings, as the file has them, so that reading, printing and hashing copy nothing.

Maps and lists that Nix keeps sorted are sorted here (bytewise, by key) and hold no duplicates; that is an invariant of the
type. Those who build one use `sortedMap` and `sortedSet`.
*/

import type { ByteString } from "@firn/base";
import { fromHex, type Hash, isHashAlgorithm, toHex, digestBytes } from "@firn/hash";
import { type ContentAddressMethod, methodPrefix, splitMethodPrefix } from "./content-address.ts";
import { NixCompatError } from "./error.ts";
import { storePathNameProblem } from "./store-path.ts";

/**
 * How the path of an output comes about.
 * - `input-addressed`: from the derivation's hash modulo; `path` is empty only until hash-modulo.ts fills it.
 * - `fixed`: from the hash the contents must have.
 * - `floating`: from the contents, once they are built.
 * - `deferred`: input-addressed, but an input is floating, so not known yet.
 * - `impure`: as floating, and built anew each time.
 */
export type OutputKind = "input-addressed" | "fixed" | "floating" | "deferred" | "impure";

export type DerivationOutput = {
  readonly kind: OutputKind;
  /** Absolute store path, empty when it is not known. */
  readonly path: ByteString;
  /** `[r:|text:|git:]<algorithm>` for fixed, floating and impure outputs, otherwise empty. */
  readonly hashAlgorithm: string;
  /** Base 16 for fixed outputs, `impure` for impure ones, otherwise empty. */
  readonly hash: string;
};

export type Derivation = {
  /** Without `.drv`. */
  readonly name: string;
  readonly outputs: ReadonlyMap<string, DerivationOutput>;
  /** From the absolute path of a .drv to the outputs of it that are wanted. */
  readonly inputDrvs: ReadonlyMap<ByteString, readonly string[]>;
  /**
   * Outputs of derivations that are themselves outputs (dynamic derivations), by the path of the .drv all begins with. Each of these paths is
   * a key of `inputDrvs` as well, perhaps without outputs. Absent where there are none; never empty.
   */
  readonly dynamicInputs?: ReadonlyMap<ByteString, DynamicInputs>;
  readonly inputSrcs: readonly ByteString[];
  readonly system: ByteString;
  readonly builder: ByteString;
  readonly args: readonly ByteString[];
  readonly env: ReadonlyMap<ByteString, ByteString>;
};

/** From an output, which is a .drv, to what of the derivation in it is wanted. Sorted, never empty. */
export type DynamicInputs = ReadonlyMap<string, DynamicInput>;

export type DynamicInput = {
  /** Sorted. */
  readonly outputs: readonly string[];
  readonly dynamic?: DynamicInputs;
};

/** A map of the entries in bytewise order of their keys; of equal keys the last one counts. */
export function sortedMap<V>(entries: Iterable<readonly [ByteString, V]>): Map<ByteString, V> {
  const unsorted = new Map(entries);
  const sorted = new Map<ByteString, V>();
  for (const key of [...unsorted.keys()].sort()) sorted.set(key, unsorted.get(key) as V);
  return sorted;
}

/** The items in bytewise order, each once. */
export function sortedSet(items: Iterable<ByteString>): ByteString[] {
  return [...new Set(items)].sort();
}

/** An output whose path follows from the derivation itself, not filled yet. */
export const UNFILLED_OUTPUT: DerivationOutput = { kind: "input-addressed", path: "", hashAlgorithm: "", hash: "" };
export const DEFERRED_OUTPUT: DerivationOutput = { kind: "deferred", path: "", hashAlgorithm: "", hash: "" };

/** An output with known contents, its path not filled yet. */
export function fixedOutput(method: ContentAddressMethod, hash: Hash): DerivationOutput {
  return { kind: "fixed", path: "", hashAlgorithm: methodPrefix(method) + hash.algorithm, hash: toHex(hash.bytes) };
}

export function floatingOutput(method: ContentAddressMethod, algorithm: Hash["algorithm"]): DerivationOutput {
  return { kind: "floating", path: "", hashAlgorithm: methodPrefix(method) + algorithm, hash: "" };
}

export function impureOutput(method: ContentAddressMethod, algorithm: Hash["algorithm"]): DerivationOutput {
  return { kind: "impure", path: "", hashAlgorithm: methodPrefix(method) + algorithm, hash: "impure" };
}

/**
 * The output that is written with these three texts, as in ATerms and on the wire; `path` is not looked into. Throws `invalid-output`. Follows
 * parseDerivationOutput.
 */
export function writtenOutput(path: ByteString, hashAlgorithm: ByteString, hash: ByteString): DerivationOutput {
  const refuse = (what: string) => new NixCompatError("invalid-output", what);
  if (hashAlgorithm === "") {
    if (hash !== "") throw refuse("an output has a hash but no algorithm");
    return { kind: path === "" ? "deferred" : "input-addressed", path, hashAlgorithm, hash };
  }
  const { rest } = splitMethodPrefix(hashAlgorithm);
  if (!isHashAlgorithm(rest)) throw refuse(`unknown hash algorithm '${hashAlgorithm.slice(0, 200)}'`);
  if (hash === "" || hash === "impure") {
    if (path !== "") throw refuse("an output whose path follows from its contents has a path");
    return { kind: hash === "" ? "floating" : "impure", path, hashAlgorithm, hash };
  }
  if (path === "") throw refuse("a fixed output has no path");
  if (fromHex(hash)?.length !== digestBytes(rest) || hash !== hash.toLowerCase())
    throw refuse(`'${hash.slice(0, 200)}' is not a ${rest} digest in base 16`);
  return { kind: "fixed", path, hashAlgorithm, hash };
}

/** What a fixed output must contain. The output must be fixed. */
export function fixedOutputHash(output: DerivationOutput): {
  readonly method: ContentAddressMethod;
  readonly hash: Hash;
} {
  const { method, rest } = splitMethodPrefix(output.hashAlgorithm);
  const bytes = fromHex(output.hash);
  if (output.kind !== "fixed" || !isHashAlgorithm(rest) || bytes?.length !== digestBytes(rest)) {
    throw new NixCompatError(
      "invalid-output",
      `'${output.hashAlgorithm}:${output.hash}' is not the hash of a fixed output`,
    );
  }
  return { method, hash: { algorithm: rest, bytes } };
}

/** Throws unless `name` may name an output: characters of a store path's name, and not `drvPath`. */
export function checkOutputName(name: string): void {
  const problem = name === "drvPath" ? "it is reserved" : storePathNameProblem(name);
  if (problem !== undefined)
    throw new NixCompatError("invalid-output", `output name '${name.slice(0, 300)}' is refused: ${problem}`);
}

/**
 * The kind all outputs share. Throws `invalid-output` when there is none, when kinds are mixed, or when a fixed-output
 * derivation has another output than `out`. Follows BasicDerivation::type.
 */
export function derivationKind(drv: Derivation): OutputKind {
  let kind: OutputKind | undefined;
  for (const output of drv.outputs.values()) {
    if (kind !== undefined && kind !== output.kind) {
      throw new NixCompatError("invalid-output", `derivation '${drv.name}' mixes ${kind} and ${output.kind} outputs`);
    }
    kind = output.kind;
  }
  if (kind === undefined)
    throw new NixCompatError("invalid-output", `derivation '${drv.name}' must have at least one output`);
  if (kind === "fixed" && (drv.outputs.size !== 1 || !drv.outputs.has("out"))) {
    throw new NixCompatError(
      "invalid-output",
      `fixed-output derivation '${drv.name}' must have one output, named 'out'`,
    );
  }
  return kind;
}
