/*
Whether a path that says how it follows from its contents is right: the path from the hash, and the hash from the contents. Nobody has to be
trusted then, so such paths need no signature.

Follows ValidPathInfo::isContentAddressed, and hashes contents as C++ Nix's computeCA and HashModuloSink do.
*/

import { equalBytes } from "@firn/base";
import type { CallOptions, CastoreServices } from "@firn/castore";
import { printHash } from "@firn/hash";
import { makeFixedOutputPath } from "@firn/nix-compat";
import { hashContents } from "./contents-hash.ts";
import { StoreError } from "./error.ts";
import type { DescribedPath, PathInfo } from "./path-info.ts";

/** Whether the path is the one its content address, name and references give. The contents are not looked at. */
export function isContentAddressed(info: DescribedPath, storeDir?: string): boolean {
  if (info.contentAddress === undefined) return false;
  const references = info.references.filter((reference) => !reference.equals(info.path));
  const selfReference = references.length < info.references.length;
  try {
    const { method, hash } = info.contentAddress;
    const name = info.path.name;
    return makeFixedOutputPath({ method, hash, name, references, selfReference }, storeDir).equals(info.path);
  } catch {
    return false; // an address that no path can have with these references
  }
}

export type ContentCheckOptions = CallOptions & {
  readonly storeDir?: string;
  /** That the contents were found to have the NAR hash: where the content address is that hash, they are not read again. */
  readonly narIsVerified?: boolean;
};

/** Throws `mismatch` unless path and contents are what the content address says. A path without content address passes. */
export async function checkContentAddress(
  info: PathInfo,
  services: CastoreServices,
  options?: ContentCheckOptions,
): Promise<void> {
  const { contentAddress, path } = info;
  if (contentAddress === undefined) return;
  const context = { path: path.toString() };
  if (!isContentAddressed(info, options?.storeDir)) {
    throw new StoreError("mismatch", `${path} does not follow from its content address and references`, { context });
  }
  const refersToItself = info.references.some((reference) => reference.equals(path));
  const { method, hash } = contentAddress;
  const isNarHash = method === "nar" && hash.algorithm === "sha256" && !refersToItself;
  if (options?.narIsVerified && isNarHash && equalBytes(hash.bytes, info.narSha256)) return;
  const selfHashPart = refersToItself ? path.hashPart : undefined;
  const hashing = { method, algorithm: hash.algorithm, selfHashPart };
  const found = await hashContents(info.node, hashing, services, options);
  if (equalBytes(found.bytes, contentAddress.hash.bytes)) return;
  throw new StoreError(
    "mismatch",
    `the contents of ${path} have the hash ${printHash(found, "sri")}, its content address says ${printHash(contentAddress.hash, "sri")}`,
    { context },
  );
}
