/*
What the store knows of one store path: the castore root below it, and what Nix says of it (NAR hash and size, references, deriver,
content address, signatures). The NAR itself is never kept; it is rendered from the root on demand.
*/

import type { Node } from "@firn/castore";
import type { ContentAddress, Signature, StorePath } from "@firn/nix-compat";

/** What was signed: Nix's fingerprint, or Firn's, which names the castore root too. */
export type SignatureScheme = "nix" | "firn";

/** A key's name and the 64 bytes it made of the path's fingerprint; one of Nix's unless it says otherwise. */
export type PathSignature = Signature & { readonly scheme?: "firn" };

export function isNixSignature(signature: PathSignature): boolean {
  return signature.scheme === undefined;
}

export type PathInfo = {
  readonly path: StorePath;
  readonly node: Node;
  /** SHA-256 of the NAR rendering, 32 bytes. */
  readonly narSha256: Uint8Array;
  /** Length of the NAR rendering in bytes. */
  readonly narSize: number;
  /** Sorted by print form, no duplicates; holds the path itself when its contents do. */
  readonly references: readonly StorePath[];
  /** The .drv it came from. */
  readonly deriver?: StorePath;
  /** How the path follows from its contents, when it does. */
  readonly contentAddress?: ContentAddress;
  readonly signatures: readonly PathSignature[];
  /** Seconds since 1970 when this store registered it. */
  readonly registeredAt: number;
};

/** A path as others describe it, who may not say which castore root it is. */
export type DescribedPath = Omit<PathInfo, "node" | "registeredAt"> & { readonly node?: Node };
