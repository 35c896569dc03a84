/*
Keeping compiled code from one process to the next. Code is named by what decides it: the source text, the compiler's version, the
instruction table and the names of the outermost scope. Where it is kept is the embedder's affair; what comes back is checked against a hash before it is trusted,
and anything wrong with it only means compiling again.
*/

import { bytesOf, type ByteString, concatBytes, equalBytes } from "@firn/base";
import { hashByteStringHex, hashBytes } from "@firn/hash";
import { OPERATIONS } from "./instruction.ts";

/** Where compiled code is kept. Both must not throw: a cache that fails is an empty one. */
export interface CodeStore {
  /** What was kept under this key (lower-case hex), or undefined. */
  load(key: string): Uint8Array | undefined;
  /** Keeps bytes under a key. May do nothing. */
  save(key: string, bytes: Uint8Array): void;
}

/** To be raised whenever compiled code means something else although the table of operations looks the same. */
const COMPILER_VERSION = 1;

const CHECK_BYTES = 16;

/** What identifies this compiler together with these globals. */
export function compilerFingerprint(globalNames: Iterable<string>): string {
  const table = OPERATIONS.map(({ name, operands }) => `${name}(${operands.map(([kind]) => kind).join(",")})`);
  return hashByteStringHex("sha256", [COMPILER_VERSION, ...table, ...[...globalNames].sort()].join("\n"));
}

/** The key of a source's code. `variant` tells apart what else the compilation depended on (features, a scope). */
export function codeKey(fingerprint: string, variant: string, source: ByteString): string {
  return hashByteStringHex("sha256", `${fingerprint}\n${variant}\n${hashByteStringHex("sha256", source)}`);
}

/** The code with its check in front. */
export function sealCode(key: string, code: Uint8Array): Uint8Array {
  return concatBytes([check(key, code), code]);
}

/** The code behind its check, or undefined when they do not match. A view into `sealed`. */
export function openSealedCode(key: string, sealed: Uint8Array): Uint8Array | undefined {
  const code = sealed.subarray(CHECK_BYTES);
  return equalBytes(check(key, code), sealed.subarray(0, CHECK_BYTES)) ? code : undefined;
}

function check(key: string, code: Uint8Array): Uint8Array {
  return hashBytes("sha256", concatBytes([bytesOf(key), hashBytes("sha256", code)])).subarray(0, CHECK_BYTES);
}
