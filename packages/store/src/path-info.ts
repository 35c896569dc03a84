/*
What the store knows of one store path: the castore root below it, and what Nix says of it (NAR hash and size, references, deriver,
content address, signatures). The NAR itself is never kept; it is rendered from the root on demand.
*/

import type { Node } from "@firn/castore";
import type { ContentAddress, StorePath } from "@firn/nix-compat";

/** A signature as in narinfo: a key's name and 64 bytes. */
export type PathSignature = { readonly keyName: string; readonly bytes: Uint8Array };

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
