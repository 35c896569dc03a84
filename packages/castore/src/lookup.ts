/*
Finding things in a tree of nodes: one path, or all of them. Symlinks are answered as symlinks and never followed, because what
they point at is a matter of where the tree is shown.
*/

import { type ByteString, concatBytes, throwIfAborted } from "@firn/base";
import type { BlobService } from "./blob-service.ts";
import { BytesReader } from "./bytes-reader.ts";
import type { DirectoryService } from "./directory-service.ts";
import type { Directory } from "./directory.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import { type Digest, type Node, TREE_DEPTH_MAX } from "./node.ts";

/** Where contents and directories live. */
export type CastoreServices = { readonly blobs: BlobService; readonly directories: DirectoryService };

/**
 * The node at `path` below `root`: names with `/` between them, empty ones ignored, so "" is the root itself. undefined when there is
 * none, also when the way leads through a file or symlink. Throws `missing` when a directory of the tree is not stored.
 */
export async function lookup(
  services: Pick<CastoreServices, "directories">,
  root: Node,
  path: ByteString,
  options?: CallOptions,
): Promise<Node | undefined> {
  let node: Node | undefined = root;
  for (const name of path.split("/")) {
    if (name === "") continue;
    if (node?.kind !== "directory") return undefined;
    const directory: Directory = await needDirectory(services.directories, node.digest, options);
    node = directory.get(name);
  }
  return node;
}

/** The directory, or `missing`: for digests that another object refers to. */
export async function needDirectory(
  directories: DirectoryService,
  digest: Digest,
  options?: CallOptions,
): Promise<Directory> {
  const directory = await directories.get(digest, options);
  if (directory === undefined)
    throw new CastoreError("missing", `directory ${digest} is not stored`, { context: { digest } });
  return directory;
}

/** Whether a node's own object is stored, and then held by the lease; what a directory refers to is not looked at. A symlink has none. */
export async function hasNode(node: Node, services: CastoreServices, options?: CallOptions): Promise<boolean> {
  if (node.kind === "symlink") return true;
  return await (node.kind === "file" ? services.blobs : services.directories).has(node.digest, options);
}

/** A node of a tree with its path below the root, "" for the root. */
export type TreeEntry = { readonly path: ByteString; readonly node: Node };

/** Every node of a tree, parents before children, in the order of names: the order of a NAR. Equal subtrees come each time they occur. */
export async function* walkTree(
  services: Pick<CastoreServices, "directories">,
  root: Node,
  options?: CallOptions,
): AsyncGenerator<TreeEntry, void> {
  const stack: { path: ByteString; node: Node; depth: number }[] = [{ path: "", node: root, depth: 1 }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { path, node, depth } = top;
    throwIfAborted(options?.signal);
    yield { path, node };
    if (node.kind !== "directory") continue;
    if (depth > TREE_DEPTH_MAX) throw tooDeep();
    const { entries } = await needDirectory(services.directories, node.digest, options);
    for (let i = entries.length - 1; i >= 0; i--) {
      const { name, node: child } = entries[i];
      stack.push({ path: path === "" ? name : `${path}/${name}`, node: child, depth: depth + 1 });
    }
  }
}

/** The error for a tree nested deeper than TREE_DEPTH_MAX. */
export function tooDeep(): CastoreError {
  return new CastoreError("limit", `the tree is nested deeper than ${TREE_DEPTH_MAX} directories`);
}

/** A blob's contents as one new buffer. `missing` when absent, `limit` when longer than `bytesMax`. */
export async function readBlob(
  blobs: Pick<BlobService, "openRead">,
  digest: Digest,
  bytesMax: number,
  options?: CallOptions,
): Promise<Uint8Array> {
  await using reader = await blobs.openRead(digest, options);
  if (reader === undefined) throw new CastoreError("missing", `blob ${digest} is not stored`, { context: { digest } });
  if (reader.size > bytesMax)
    throw new CastoreError("limit", `blob ${digest} has ${reader.size} bytes, at most ${bytesMax} are read whole`);
  const whole = reader instanceof BytesReader ? reader.take() : undefined;
  if (whole !== undefined) return whole;
  const parts: Uint8Array[] = []; // a reader's chunks are ours to keep
  for await (const chunk of reader.stream()) parts.push(chunk);
  return parts.length === 1 ? parts[0] : concatBytes(parts);
}
