/*
The rules a PathInfo must keep before any store registers it, and the merging of signatures when a path is registered again.
*/

import { equalBytes } from "@firn/base";
import { checkNode, type Node } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import type { PathInfo, PathSignature } from "./path-info.ts";

/** Most references of one path. */
export const REFERENCES_MAX = 1 << 16;
/** Most signatures of one path. */
export const SIGNATURES_MAX = 256;
/** Longest name of a signing key, in characters. */
export const KEY_NAME_CHARS_MAX = 256;

const SHA256_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** The NAR of an empty directory is the shortest there is. */
const NAR_BYTES_MIN = 96;

/** Throws `invalid-path-info` (or `limit`) naming the rule that is broken. */
export function checkPathInfo(info: PathInfo): void {
  const refuse = (what: string) => {
    throw new StoreError("invalid-path-info", `${info.path}: ${what}`, { context: { path: info.path.toString() } });
  };
  const limit = (what: string) => {
    throw new StoreError("limit", `${info.path}: ${what}`, { context: { path: info.path.toString() } });
  };
  checkNode(info.node);
  if (info.narSha256.length !== SHA256_BYTES) refuse(`the NAR hash has ${info.narSha256.length} bytes instead of 32`);
  if (!Number.isSafeInteger(info.narSize) || info.narSize < NAR_BYTES_MIN)
    refuse(`the NAR size cannot be ${info.narSize}`);
  if (!Number.isSafeInteger(info.registeredAt) || info.registeredAt < 0) refuse("the time of registration is no time");
  if (info.references.length > REFERENCES_MAX) limit(`more than ${REFERENCES_MAX} references`);
  for (let i = 1; i < info.references.length; i++) {
    if (info.references[i - 1].toString() >= info.references[i].toString())
      refuse("references are not sorted or come twice");
  }
  if (info.deriver !== undefined && !info.deriver.isDerivation)
    refuse(`the deriver ${info.deriver} does not end in .drv`);
  if (info.signatures.length > SIGNATURES_MAX) limit(`more than ${SIGNATURES_MAX} signatures`);
  for (const signature of info.signatures) {
    const { keyName } = signature;
    if (keyName === "" || keyName.length > KEY_NAME_CHARS_MAX || /[:\s]/.test(keyName))
      refuse("a signature's key has no proper name");
    if (signature.bytes.length !== SIGNATURE_BYTES)
      refuse(`a signature by ${keyName} has ${signature.bytes.length} bytes instead of 64`);
  }
}

/** A set of references as a PathInfo wants it: sorted by print form, no duplicates. */
export function sortedReferences(paths: Iterable<StorePath>): StorePath[] {
  const byText = new Map<string, StorePath>();
  for (const path of paths) byText.set(path.toString(), path);
  return [...byText.keys()].sort().map((text) => byText.get(text) as StorePath);
}

/**
 * What a store keeps when `later` is registered over `earlier`: the earlier one with all signatures of both, or `earlier` itself
 * when there are no new ones. Throws `conflict` when the contents differ.
 */
export function mergePathInfo(earlier: PathInfo, later: PathInfo): PathInfo {
  const sameContents =
    earlier.path.equals(later.path) &&
    equalBytes(earlier.narSha256, later.narSha256) &&
    earlier.narSize === later.narSize &&
    sameNode(earlier.node, later.node);
  if (!sameContents) {
    throw new StoreError("conflict", `${later.path} is registered already with other contents`, {
      context: { path: later.path.toString() },
    });
  }
  const isKnown = (known: readonly PathSignature[], signature: PathSignature) =>
    known.some(
      ({ keyName, bytes, scheme }) =>
        keyName === signature.keyName && scheme === signature.scheme && equalBytes(bytes, signature.bytes),
    );
  const fresh = later.signatures.filter((signature) => !isKnown(earlier.signatures, signature));
  if (fresh.length === 0) return earlier;
  const merged = { ...earlier, signatures: [...earlier.signatures, ...fresh] };
  checkPathInfo(merged);
  return merged;
}

function sameNode(left: Node, right: Node): boolean {
  if (left.kind === "symlink" || right.kind === "symlink") {
    return left.kind === right.kind && (left as { target: string }).target === (right as { target: string }).target;
  }
  // A directory's digest may differ where another program counted sizes by the other rule: the NAR hash has decided already.
  if (left.kind === "directory" || right.kind === "directory") return left.kind === right.kind;
  return left.digest === right.digest && left.executable === right.executable;
}
