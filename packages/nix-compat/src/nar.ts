/*
What NAR reader and writer share: the limits, and the rules for names and targets. A NAR is one canonical text per tree: tokens
(64-bit little-endian length, bytes, zeros up to a multiple of eight), entries sorted bytewise, no metadata but one executable bit.
*/

import type { ByteString } from "@firn/base";

/** The token every NAR starts with. */
export const NAR_MAGIC = "nix-archive-1";
/** Most directories inside one another, the root included. */
export const NAR_DEPTH_MAX = 64;
/** Longest name of an entry, in bytes. */
export const NAR_NAME_BYTES_MAX = 255;
/** Longest target of a symlink, in bytes. */
export const NAR_TARGET_BYTES_MAX = 4095;

/** Why `name` may not name an entry, as the end of a sentence; undefined when it may. */
export function narNameProblem(name: ByteString): string | undefined {
  if (name === "") return "is empty";
  if (name === "." || name === "..") return "is a dot or two";
  if (name.length > NAR_NAME_BYTES_MAX) return `is longer than ${NAR_NAME_BYTES_MAX} bytes`;
  if (name.includes("/")) return "holds a slash";
  if (name.includes("\0")) return "holds a NUL";
  return undefined;
}

/** Why `target` may not be the target of a symlink, as the end of a sentence; undefined when it may. */
export function narTargetProblem(target: ByteString): string | undefined {
  if (target === "") return "is empty";
  if (target.length > NAR_TARGET_BYTES_MAX) return `is longer than ${NAR_TARGET_BYTES_MAX} bytes`;
  if (target.includes("\0")) return "holds a NUL";
  return undefined;
}

/** Zeros that follow a string of `length` bytes. */
export function narPadding(length: number): number {
  return (8 - (length % 8)) % 8;
}
