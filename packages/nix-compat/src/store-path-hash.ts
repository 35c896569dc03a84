/*
How hash parts are computed. Each store path's hash part is SHA-256 over a short text ("fingerprint") that says what kind of
path it is, what its contents hash to, below which store directory and under which name; folded to 160 bits.

Follows StoreDirConfig::makeStorePath, makeTextPath, makeFixedOutputPath, makeOutputPath and hashPlaceholder.
*/

import type { ByteString } from "@firn/base";
import {
  digestBytes,
  fromNixBase32,
  type Hash,
  hashByteString,
  hashByteStringHex,
  toHex,
  toNixBase32,
} from "@firn/hash";
import { type ContentAddressMethod, methodPrefix } from "./content-address.ts";
import { NixCompatError } from "./error.ts";
import { DEFAULT_STORE_DIR, StorePath } from "./store-path.ts";

const HASH_PART_BYTES = 20;

/** XOR of the digest's 20-byte slices, in a new buffer of `length` bytes. */
export function compressHash(digest: Uint8Array, length: number = HASH_PART_BYTES): Uint8Array {
  const folded = new Uint8Array(length);
  for (let i = 0; i < digest.length; i++) folded[i % length] ^= digest[i];
  return folded;
}

/** The path of kind `type` (`source`, `output:out`, `text:<refs>`) whose inner SHA-256 is given in base 16. */
export function makeStorePath(
  type: string,
  sha256Hex: string,
  name: string,
  storeDir: string = DEFAULT_STORE_DIR,
): StorePath {
  const digest = hashByteString("sha256", `${type}:sha256:${sha256Hex}:${storeDir}:${name}`);
  return new StorePath(toNixBase32(compressHash(digest)), name);
}

/** References as they stand in a fingerprint: sorted absolute paths without duplicates, each after a colon, then `:self`. */
function withReferences(type: string, absolute: readonly ByteString[], selfReference: boolean): string {
  let text = type;
  for (const path of absolute) text += `:${path}`;
  return selfReference ? `${text}:self` : text;
}

function sortedAbsolute(references: readonly StorePath[], storeDir: string): readonly ByteString[] {
  return [...new Set(references.map((reference) => reference.absolute(storeDir)))].sort();
}

/**
 * The path of a text file, given its contents' SHA-256 in base 16 and the absolute store paths it refers to, which must be
 * sorted and free of duplicates: what derivation.ts has at hand.
 */
export function makeTextPathOfHash(
  name: string,
  sha256Hex: string,
  references: readonly ByteString[],
  storeDir: string = DEFAULT_STORE_DIR,
): StorePath {
  return makeStorePath(withReferences("text", references, false), sha256Hex, name, storeDir);
}

/** The path builtins.toFile gives these contents. */
export function makeTextPath(
  name: string,
  contents: ByteString,
  references: readonly StorePath[],
  storeDir: string = DEFAULT_STORE_DIR,
): StorePath {
  return makeTextPathOfHash(
    name,
    hashByteStringHex("sha256", contents),
    sortedAbsolute(references, storeDir),
    storeDir,
  );
}

export type FixedOutput = {
  readonly method: ContentAddressMethod;
  readonly hash: Hash;
  readonly name: string;
  /** Other paths the contents refer to; none where absent. */
  readonly references?: readonly StorePath[];
  /** Whether the contents refer to their own path. */
  readonly selfReference?: boolean;
};

/**
 * The path of content-addressed contents. Only `nar` with SHA-256 and `text` may have references; a git hash is SHA-1 (or
 * SHA-256). Throws NixCompatError `invalid-content-address` otherwise.
 */
export function makeFixedOutputPath(output: FixedOutput, storeDir: string = DEFAULT_STORE_DIR): StorePath {
  const { method, hash, name, references = [], selfReference = false } = output;
  const hex = toHex(hash.bytes);
  if (method === "text") {
    if (hash.algorithm !== "sha256" || selfReference)
      throw cannot(name, "a text path has a SHA-256 hash and does not refer to itself");
    return makeTextPathOfHash(name, hex, sortedAbsolute(references, storeDir), storeDir);
  }
  if (method === "git" && hash.algorithm !== "sha1" && hash.algorithm !== "sha256")
    throw cannot(name, "a git hash is SHA-1 or SHA-256");
  if (method === "nar" && hash.algorithm === "sha256") {
    return makeStorePath(
      withReferences("source", sortedAbsolute(references, storeDir), selfReference),
      hex,
      name,
      storeDir,
    );
  }
  if (references.length > 0 || selfReference) throw cannot(name, "only NARs hashed with SHA-256 may have references");
  const inner = hashByteStringHex("sha256", `fixed:out:${methodPrefix(method)}${hash.algorithm}:${hex}:`);
  return makeStorePath("output:out", inner, name, storeDir);
}

function cannot(name: string, reason: string): NixCompatError {
  return new NixCompatError("invalid-content-address", `no store path for the fixed output '${name}': ${reason}`);
}

/** `<name>` for the output `out`, `<name>-<output>` for others. */
export function outputPathName(drvName: string, outputName: string): string {
  return outputName === "out" ? drvName : `${drvName}-${outputName}`;
}

/** The path of an input-addressed output, from the derivation's hash modulo in base 16. */
export function makeOutputPath(
  outputName: string,
  drvHashModuloHex: string,
  drvName: string,
  storeDir: string = DEFAULT_STORE_DIR,
): StorePath {
  return makeStorePath(`output:${outputName}`, drvHashModuloHex, outputPathName(drvName, outputName), storeDir);
}

/** What builtins.placeholder gives: text that stands for the output's path until the build knows it. */
export function placeholder(outputName: ByteString): string {
  return `/${toNixBase32(hashByteString("sha256", `nix-output:${outputName}`))}`;
}

/**
 * What stands in dependants for an output of a derivation whose path is not known before it is built (floating, deferred,
 * impure). Follows DownstreamPlaceholder::unknownCaOutput.
 */
export function downstreamPlaceholder(drvPath: StorePath, outputName: string): string {
  const drvName = drvPath.isDerivation ? drvPath.name.slice(0, -".drv".length) : drvPath.name;
  const text = `nix-upstream-output:${drvPath.hashPart}:${outputPathName(drvName, outputName)}`;
  return `/${toNixBase32(hashByteString("sha256", text))}`;
}

/**
 * The same where the derivation itself is an output that is not known before it is built; `drvPlaceholder` is the placeholder of that output.
 * Follows DownstreamPlaceholder::unknownDerivation.
 */
export function downstreamPlaceholderOfOutput(drvPlaceholder: string, outputName: string): string {
  const digest = fromNixBase32(drvPlaceholder.slice(1));
  if (digest?.length !== digestBytes("sha256"))
    throw new NixCompatError("invalid-output", `'${drvPlaceholder}' is not a placeholder`);
  const text = `nix-computed-output:${toNixBase32(compressHash(digest))}:${outputName}`;
  return `/${toNixBase32(hashByteString("sha256", text))}`;
}

/** The name of the file that holds an attribute listed in `passAsFile`, below the build directory. */
export function passAsFileName(attributeName: ByteString): string {
  return `.attr-${toNixBase32(hashByteString("sha256", attributeName))}`;
}
