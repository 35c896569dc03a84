/*
BLAKE3 by the parts of its tree, which verified ranges (castore's bao) are made of: chaining values of 16 KiB groups, of smaller pieces,
and of parents. Where only a digest is wanted, kernel.ts is faster.
*/

import { assert } from "@firn/base";
import { wasmKernel } from "./wasm-kernel.ts";

/** Smallest leaf of BLAKE3's tree, in bytes. */
export const LEAF_BYTES = 1024;
/** Length of a group: 16 leaves whose chaining value is kept as one. */
export const GROUP_BYTES = 16 * LEAF_BYTES;
/** Length of a chaining value, and of a digest. */
export const CV_BYTES = 32;

/**
 * The chaining value, in a new buffer, of the subtree over `bytes`, at most one group, whose first leaf is number `firstLeaf`, a multiple of the
 * subtree's number of leaves when it is complete. Bytes stay the caller's.
 */
export function pieceCv(bytes: Uint8Array, firstLeaf: number): Uint8Array {
  return hashPiece(bytes, firstLeaf, false);
}

/** The BLAKE3 of at most one group of bytes, perhaps none: the root of a tree that is one piece. */
export function pieceRoot(bytes: Uint8Array): Uint8Array {
  return hashPiece(bytes, 0, true);
}

function hashPiece(bytes: Uint8Array, firstLeaf: number, isRoot: boolean): Uint8Array {
  assert(bytes.length <= GROUP_BYTES, "a piece is at most one group");
  const { call, input, output } = wasmKernel();
  input.set(bytes);
  call.hashPiece(0, bytes.length, BigInt(firstLeaf), isRoot);
  return output.slice(0, CV_BYTES);
}

/** What `groupCvsOfParts` takes at once, in bytes. */
export const GROUPS_BYTES_MAX = 16 * GROUP_BYTES;

/** The chaining values, in a new buffer, of the groups in the bytes of all parts, together at most GROUPS_BYTES_MAX; otherwise as `groupCvs`. */
export function groupCvsOfParts(parts: readonly Uint8Array[], firstGroup: number): Uint8Array {
  const { call, input, output } = wasmKernel();
  let length = 0;
  for (const part of parts) {
    input.set(part, length);
    length += part.length;
  }
  assert(length <= GROUPS_BYTES_MAX, "so many groups are hashed at once");
  call.hashGroups(length, BigInt(firstGroup * (GROUP_BYTES / LEAF_BYTES)));
  return output.slice(0, Math.ceil(length / GROUP_BYTES) * CV_BYTES);
}

/** Appends the chaining values of the groups in `bytes`, the first of which is number `firstGroup` and only the last of which may be short, to `to` at `at`. */
export function groupCvs(bytes: Uint8Array, firstGroup: number, to: Uint8Array, at = 0): void {
  const { call, input, output } = wasmKernel();
  let written = at;
  for (let from = 0; from < bytes.length; from += input.length) {
    const part = bytes.subarray(from, from + input.length);
    input.set(part);
    call.hashGroups(part.length, BigInt(firstGroup * (GROUP_BYTES / LEAF_BYTES) + from / LEAF_BYTES));
    const length = Math.ceil(part.length / GROUP_BYTES) * CV_BYTES;
    to.set(output.subarray(0, length), written);
    written += length;
  }
}

/** The chaining value (of a root: the digest), in a new buffer, of the parent of two, given one behind the other in 64 bytes. */
export function parentCv(pair: Uint8Array, isRoot: boolean): Uint8Array {
  assert(pair.length === 2 * CV_BYTES, "a parent has two children");
  const { call, input, output } = wasmKernel();
  input.set(pair);
  call.hashPair(isRoot);
  return output.slice(0, CV_BYTES);
}
