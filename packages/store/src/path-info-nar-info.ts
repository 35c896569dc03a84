/*
A PathInfo and the narinfo that a binary cache serves for it. The narinfo knows nothing of castore and of Firn's signatures; the root node comes
from whoever took in the NAR.
*/

import type { Node } from "@firn/castore";
import type { NarInfo } from "@firn/nix-compat";
import { type DescribedPath, isNixSignature, type PathInfo } from "./path-info.ts";
import { sortedReferences } from "./path-info-rules.ts";

/** What the PathInfo does not say: where the NAR is and what was done to it. */
export type NarFile = Pick<NarInfo, "url" | "compression" | "fileHash" | "fileSize">;

/** The narinfo of a path whose NAR is served as `file`. */
export function narInfoOf(info: PathInfo, file: NarFile): NarInfo {
  return {
    ...file,
    path: info.path,
    narSha256: info.narSha256,
    narSize: info.narSize,
    references: info.references,
    deriver: info.deriver,
    contentAddress: info.contentAddress,
    signatures: info.signatures.filter(isNixSignature).map(({ keyName, bytes }) => ({ keyName, bytes })),
  };
}

/** The PathInfo of a path whose NAR was found to be what a narinfo or another store says, and is `node` in castore. `registeredAt` in seconds. */
export function pathInfoOf(described: DescribedPath, node: Node, registeredAt: number): PathInfo {
  const { path, narSha256, narSize, deriver, contentAddress, signatures } = described;
  const references = sortedReferences(described.references);
  return { path, node, narSha256, narSize, references, deriver, contentAddress, signatures, registeredAt };
}
