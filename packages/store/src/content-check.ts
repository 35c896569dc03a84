/*
Whether a path that says how it follows from its contents is right: the path from the hash, and the hash from the contents. Nobody has to be
trusted then, so such paths need no signature.

Follows ValidPathInfo::isContentAddressed, and hashes contents as C++ Nix's computeCA and HashModuloSink do.
*/

import { equalBytes } from "@firn/base";
import { type CallOptions, type CastoreServices, type Node, readBlob } from "@firn/castore";
import { createHasher, type Hash, printHash } from "@firn/hash";
import { type ContentAddress, hashNarModulo, makeFixedOutputPath } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import { gitHash } from "./git-hash.ts";
import { renderNar } from "./nar-render.ts";
import type { PathInfo } from "./path-info.ts";

/** Longest `text` contents that are checked, in bytes: they are texts of expressions and derivations. */
const TEXT_BYTES_MAX = 256 * 1024 * 1024;

/** Whether the path is the one its content address, name and references give. The contents are not looked at. */
export function isContentAddressed(info: PathInfo, storeDir?: string): boolean {
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

/** Throws `mismatch` unless path and contents are what the content address says. A path without content address passes. */
export async function checkContentAddress(
  info: PathInfo,
  services: CastoreServices,
  options?: CallOptions & { readonly storeDir?: string },
): Promise<void> {
  const { contentAddress, path } = info;
  if (contentAddress === undefined) return;
  const context = { path: path.toString() };
  if (!isContentAddressed(info, options?.storeDir)) {
    throw new StoreError("mismatch", `${path} does not follow from its content address and references`, { context });
  }
  const refersToItself = info.references.some((reference) => reference.equals(path));
  const found = await hashContents(
    contentAddress,
    info.node,
    refersToItself ? path.hashPart : undefined,
    services,
    options,
  );
  if (equalBytes(found.bytes, contentAddress.hash.bytes)) return;
  throw new StoreError(
    "mismatch",
    `the contents of ${path} have the hash ${printHash(found, "sri")}, its content address says ${printHash(contentAddress.hash, "sri")}`,
    { context },
  );
}

async function hashContents(
  { method, hash }: ContentAddress,
  node: Node,
  selfHashPart: string | undefined,
  services: CastoreServices,
  options?: CallOptions,
): Promise<Hash> {
  const { algorithm } = hash;
  if (method === "git") return { algorithm, bytes: await gitHash(node, algorithm, services, options) };
  if (method === "nar" && selfHashPart !== undefined) {
    return hashNarModulo(renderNar(node, services, options), algorithm, selfHashPart);
  }
  const hasher = createHasher(algorithm);
  if (method === "nar") {
    for await (const chunk of renderNar(node, services, options)) hasher.update(chunk);
  } else {
    if (node.kind !== "file")
      throw new StoreError("mismatch", `a ${node.kind} cannot have the content address of a file's bytes`);
    if (method === "text") hasher.update(await readBlob(services.blobs, node.digest, TEXT_BYTES_MAX, options));
    else {
      await using reader = await services.blobs.openRead(node.digest, options);
      if (reader === undefined)
        throw new StoreError("missing", `blob ${node.digest} is not stored`, { context: { digest: node.digest } });
      for await (const chunk of reader.stream()) hasher.update(chunk);
    }
  }
  return { algorithm, bytes: hasher.digest() };
}
