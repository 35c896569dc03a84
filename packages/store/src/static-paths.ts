/*
Path infos beside a static castore (docs/formats/static-castore.md): a file for each path, in the encoding they are stored in, and one with the names of all.
*/

import { byteStringOf } from "@firn/base";
import { parseStorePath, type StorePath } from "@firn/nix-compat";
import { StoreError } from "./error.ts";

/** Base names of all paths, a line for each; the only file that changes. */
export const STATIC_INDEX = "paths/index";
export const STATIC_INDEX_BYTES_MAX = 64 * 1024 * 1024;

/** Where the path info of a path is, by its hash part, relative to the layout's root. */
export function staticPathName(hashPart: string): string {
  return `paths/${hashPart}`;
}

export function printStaticIndex(paths: Iterable<StorePath>): string {
  return [...paths]
    .map((path) => `${path}\n`)
    .sort()
    .join("");
}

/** Throws `malformed`. */
export function parseStaticIndex(bytes: Uint8Array): readonly StorePath[] {
  const lines = byteStringOf(bytes).split("\n");
  if (lines.pop() !== "") throw new StoreError("malformed", "the index of paths does not end with a line");
  return lines.map(parseStorePath);
}
