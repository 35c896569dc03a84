/*
The hash of contents by each of Nix's ways to address them: a file's bytes (flat, text), the NAR, git's object. Where contents hold the hash part of
their own path, the hash is taken modulo that, as C++ Nix's HashModuloSink does.
*/

import type { ByteStream } from "@firn/base";
import type { CallOptions, CastoreServices, Node } from "@firn/castore";
import { createHasher, type Hash, type HashAlgorithm } from "@firn/hash";
import { type ContentAddressMethod, hashNarModulo, replaceHashParts } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import { gitHash } from "./git-hash.ts";
import { renderNar } from "./nar-render.ts";

export type ContentsHashing = {
  readonly method: ContentAddressMethod;
  readonly algorithm: HashAlgorithm;
  /** Hash parts that count as others; not for git's way. */
  readonly replacements?: ReadonlyMap<string, string>;
  /** The hash part that counts as if it were not there; git's way has no such thing. */
  readonly selfHashPart?: string;
};

/** Throws `mismatch` for what is no file where a file is hashed, `missing` for contents that are not there. */
export async function hashContents(
  node: Node,
  { method, algorithm, replacements, selfHashPart }: ContentsHashing,
  services: CastoreServices,
  options?: CallOptions,
): Promise<Hash> {
  const isReplacing = replacements !== undefined && replacements.size > 0;
  if (method === "git") {
    if (isReplacing) throw new StoreError("unsupported", "hashing as git does cannot replace hash parts on the way");
    return { algorithm, bytes: await gitHash(node, algorithm, services, options) };
  }
  const stored = method === "nar" ? renderNar(node, services, options) : fileBytes(node, services, options);
  const bytes = isReplacing ? replaceHashParts(stored, replacements) : stored;
  if (selfHashPart !== undefined) return await hashNarModulo(bytes, algorithm, selfHashPart);
  const hasher = createHasher(algorithm);
  for await (const chunk of bytes) hasher.update(chunk);
  return { algorithm, bytes: hasher.digest() };
}

async function* fileBytes(node: Node, { blobs }: CastoreServices, options?: CallOptions): ByteStream {
  if (node.kind !== "file")
    throw new StoreError("mismatch", `a ${node.kind} cannot have the content address of a file's bytes`);
  await using reader = await blobs.openRead(node.digest, options);
  if (reader === undefined) throw new StoreError("missing", `blob ${node.digest} is not stored`);
  yield* reader.stream();
}
