/*
What a Nix signature is over: one line of text naming a store path, the hash and size of its NAR, and its references.
*/

import { bytesOf } from "@firn/base";
import { toNixBase32 } from "@firn/hash";
import { NixCompatError } from "./error.ts";
import { DEFAULT_STORE_DIR, type StorePath } from "./store-path.ts";

export type FingerprintedPath = {
  readonly path: StorePath;
  /** SHA-256 of the NAR, 32 bytes. */
  readonly narSha256: Uint8Array;
  readonly narSize: number;
  /** In any order; the path itself among them when it refers to itself. */
  readonly references: readonly StorePath[];
};

/** `1;<path>;sha256:<nix32>;<NAR size>;<references, sorted, with commas>`, paths absolute. Follows ValidPathInfo::fingerprint. */
export function pathFingerprint(info: FingerprintedPath, storeDir: string = DEFAULT_STORE_DIR): Uint8Array {
  if (info.narSize === 0)
    throw new NixCompatError("invalid-nar-info", `${info.path} has no fingerprint: the size of its NAR is not known`);
  const references = [...new Set(info.references.map((reference) => reference.absolute(storeDir)))].sort();
  const hash = `sha256:${toNixBase32(info.narSha256)}`;
  return bytesOf(`1;${info.path.absolute(storeDir)};${hash};${info.narSize};${references.join(",")}`);
}
