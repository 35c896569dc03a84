/*
A digest together with its algorithm, and the ways Nix writes it: `sha256:<base 16 | base 32 | base 64>`, the same without
algorithm where the context knows it, and SRI (`sha256-<base 64>`). Base 16, 32 and 64 of one digest differ in length, so
the length tells them apart. What is accepted follows C++ Nix's Hash::parseAny.
*/

import { equalBytes } from "@firn/base";
import { digestBytes, type HashAlgorithm, isHashAlgorithm } from "./algorithm.ts";
import { fromBase64, fromHex, fromNixBase32, nixBase32Length, toBase64, toHex, toNixBase32 } from "./encoding.ts";
import { HashError } from "./error.ts";

/** A digest of `digestBytes(algorithm)` bytes. */
export type Hash = { readonly algorithm: HashAlgorithm; readonly bytes: Uint8Array };

export type HashFormat = "base16" | "nix32" | "base64" | "sri";

/** Longest text quoted in a message. */
const QUOTED_CHARS_MAX = 200;

/** Whether both are the same digest of the same algorithm. */
export function equalHashes(left: Hash, right: Hash): boolean {
  return left.algorithm === right.algorithm && equalBytes(left.bytes, right.bytes);
}

/**
 * Reads a hash. With `expected`, the algorithm may be left out and must agree where it is given. Base 64 after an SRI dash
 * is read leniently (see fromBase64), without one it must have the length of padded text, as in C++ Nix.
 */
export function parseHash(text: string, expected?: HashAlgorithm): Hash {
  const quoted = text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}...` : text;
  let separator = text.indexOf(":");
  let isSri = false;
  if (separator < 0) {
    separator = text.indexOf("-");
    isSri = separator >= 0;
  }
  let algorithm = expected;
  if (separator >= 0) {
    const named = text.slice(0, separator);
    if (!isHashAlgorithm(named)) throw new HashError("unknown-algorithm", `unknown hash algorithm in '${quoted}'`);
    if (expected !== undefined && named !== expected) {
      throw new HashError("algorithm-mismatch", `hash '${quoted}' should have type '${expected}'`);
    }
    algorithm = named;
  }
  if (algorithm === undefined) {
    throw new HashError(
      "algorithm-missing",
      `hash '${quoted}' does not include a type, nor is the type otherwise known from context`,
    );
  }
  const digest = separator >= 0 ? text.slice(separator + 1) : text;
  const size = digestBytes(algorithm);
  let bytes: Uint8Array | undefined;
  if (isSri) bytes = fromBase64(digest);
  else if (digest.length === size * 2) bytes = fromHex(digest);
  else if (digest.length === nixBase32Length(size)) bytes = fromNixBase32(digest);
  else if (digest.length === base64Length(size)) bytes = fromBase64(digest);
  else throw new HashError("wrong-length", `hash '${quoted}' has wrong length for hash algorithm '${algorithm}'`);
  if (bytes === undefined) throw new HashError("invalid-encoding", `hash '${quoted}' has a character it may not have`);
  if (bytes.length !== size) {
    throw new HashError("wrong-length", `hash '${quoted}' has ${bytes.length} bytes, ${algorithm} has ${size}`);
  }
  return { algorithm, bytes };
}

/** Writes a hash, with `algorithm:` before it unless told otherwise; SRI always names it. */
export function printHash(hash: Hash, format: HashFormat, withAlgorithm = true): string {
  if (format === "sri") return `${hash.algorithm}-${toBase64(hash.bytes)}`;
  const encode = format === "base16" ? toHex : format === "nix32" ? toNixBase32 : toBase64;
  return withAlgorithm ? `${hash.algorithm}:${encode(hash.bytes)}` : encode(hash.bytes);
}

function base64Length(length: number): number {
  return Math.ceil(length / 3) * 4;
}
