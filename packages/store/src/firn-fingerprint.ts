/*
What a Firn signature is over (docs/formats/firn-signature.md): all that a Nix fingerprint says, and the castore root of the contents. So a path
whose signature holds may be fetched lazily, file by file, each checked against the root; Nix's fingerprint names only the NAR's
hash, which nobody knows before having read all of it.
*/

import { bytesOf, concatBytes } from "@firn/base";
import { bytesOfDigest, type Node } from "@firn/castore";
import { DEFAULT_STORE_DIR, printContentAddress } from "@firn/nix-compat";
import type { PathInfo } from "./path-info.ts";

const FIRST_FIELD = "firn.path.v1";

/** The bytes that are signed, for a path below `storeDir`. */
export function firnFingerprint(
  info: Omit<PathInfo, "registeredAt">,
  storeDir: string = DEFAULT_STORE_DIR,
): Uint8Array {
  const references = [...new Set(info.references.map((reference) => reference.absolute(storeDir)))].sort();
  const address = info.contentAddress;
  return concatBytes([
    text(FIRST_FIELD),
    text(info.path.absolute(storeDir)),
    ...nodeParts(info.node),
    info.narSha256,
    number(info.narSize),
    number(references.length),
    ...references.map(text),
    ...(address === undefined ? [number(0)] : [number(1), text(printContentAddress(address))]),
  ]);
}

function nodeParts(node: Node): Uint8Array[] {
  if (node.kind === "directory") return [number(0), bytesOfDigest(node.digest), number(node.size)];
  if (node.kind === "symlink") return [number(2), text(node.target)];
  return [number(1), bytesOfDigest(node.digest), number(node.size), number(node.executable ? 1 : 0)];
}

function number(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

function text(value: string): Uint8Array {
  return concatBytes([number(value.length), bytesOf(value)]);
}
