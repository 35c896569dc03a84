/*
The hash git has for a tree or a file: SHA-1 or SHA-256 over an object's kind, size and bytes, where a tree lists its entries with their hashes. It is
one of Nix's ways to address contents. Follows git's object format and C++ Nix's git.cc.
*/

import { bytesOf, type ByteString } from "@firn/base";
import { type CallOptions, type CastoreServices, type Digest, leavesFirst, type Node } from "@firn/castore";
import { createHasher, type HashAlgorithm } from "@firn/hash";
import { StoreError } from "./error.ts";

/** The hash of the tree, or of the blob where the node is a file or a symlink. Throws `missing`. */
export async function gitHash(
  node: Node,
  algorithm: HashAlgorithm,
  services: CastoreServices,
  options?: CallOptions,
): Promise<Uint8Array> {
  if (node.kind !== "directory") return await blobHash(node, algorithm, services, options);
  const trees = new Map<string, Uint8Array>();
  for await (const directory of leavesFirst(node.digest, services.directories.getRecursive(node.digest, options))) {
    const lines: { readonly order: ByteString; readonly head: Uint8Array; readonly hash: Uint8Array }[] = [];
    let size = 0;
    for (const { name, node: entry } of directory.entries) {
      const isTree = entry.kind === "directory";
      const hash = isTree ? trees.get(entry.digest) : await blobHash(entry, algorithm, services, options);
      if (hash === undefined) throw missing("directory", node.digest);
      const head = bytesOf(`${modeOf(entry)} ${name}\0`);
      lines.push({ order: isTree ? `${name}/` : name, head, hash }); // git sorts as if names of directories ended so
      size += head.length + hash.length;
    }
    lines.sort((left, right) => (left.order < right.order ? -1 : 1));
    const hasher = createHasher(algorithm);
    hasher.update(bytesOf(`tree ${size}\0`));
    for (const { head, hash } of lines) {
      hasher.update(head);
      hasher.update(hash);
    }
    trees.set(directory.digest, hasher.digest());
  }
  const root = trees.get(node.digest);
  if (root === undefined) throw missing("directory", node.digest);
  return root;
}

async function blobHash(
  node: Exclude<Node, { kind: "directory" }>,
  algorithm: HashAlgorithm,
  { blobs }: CastoreServices,
  options?: CallOptions,
): Promise<Uint8Array> {
  const hasher = createHasher(algorithm);
  if (node.kind === "symlink") {
    hasher.update(bytesOf(`blob ${node.target.length}\0${node.target}`));
    return hasher.digest();
  }
  hasher.update(bytesOf(`blob ${node.size}\0`));
  await using reader = await blobs.openRead(node.digest, options);
  if (reader === undefined) throw missing("blob", node.digest);
  for await (const chunk of reader.stream()) hasher.update(chunk);
  return hasher.digest();
}

function modeOf(node: Node): string {
  if (node.kind === "directory") return "40000";
  if (node.kind === "symlink") return "120000";
  return node.executable ? "100755" : "100644";
}

function missing(what: string, digest: Digest): StoreError {
  return new StoreError("missing", `${what} ${digest} is not stored`, { context: { digest } });
}
