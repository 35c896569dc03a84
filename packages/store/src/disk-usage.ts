/*
What paths take: as trees (logical), as distinct files (unique), and as distinct chunks, which is what a chunked store keeps; and how much of that is a
path's own, shared with none of the others that were asked about.
*/

import { throwIfAborted } from "@firn/base";
import { type CallOptions, type Digest, needDirectory, type Node, TREE_DEPTH_MAX, tooDeep } from "@firn/castore";
import type { CastoreServices } from "@firn/castore";
import type { PathInfo } from "./path-info.ts";

export type PathUsage = {
  readonly info: PathInfo;
  readonly files: number;
  /** Bytes of all files, equal ones each time. */
  readonly logicalBytes: number;
  /** Bytes of distinct files. */
  readonly uniqueBytes: number;
  /** Bytes of distinct chunks. */
  readonly chunkBytes: number;
  /** Of these, what no other path here has. */
  readonly ownBytes: number;
};

export type Usage = {
  readonly paths: readonly PathUsage[];
  readonly total: Omit<PathUsage, "info" | "ownBytes">;
};

const SHARED = -1;

/** Usage of each path and of all together. Holds one entry per distinct file and chunk in memory. */
export async function diskUsage(
  infos: readonly PathInfo[],
  services: CastoreServices,
  options?: CallOptions,
): Promise<Usage> {
  /** Index of the only path that has a chunk, or SHARED. */
  const owners = new Map<Digest, number>();
  const chunkSizes = new Map<Digest, number>();
  const blobSizes = new Map<Digest, number>();
  const chunksOfBlob = new Map<Digest, readonly Digest[]>();
  const perPath: { info: PathInfo; files: number; logicalBytes: number; uniqueBytes: number; chunkBytes: number }[] =
    [];
  for (const [index, info] of infos.entries()) {
    const tree = await countTree(info.node, services, options);
    let uniqueBytes = 0;
    let chunkBytes = 0;
    const ownChunks = new Set<Digest>();
    for (const [digest, size] of tree.blobs) {
      throwIfAborted(options?.signal);
      uniqueBytes += size;
      blobSizes.set(digest, size);
      for (const chunk of await chunks(digest, size)) {
        if (ownChunks.has(chunk)) continue;
        ownChunks.add(chunk);
        chunkBytes += chunkSizes.get(chunk) as number;
        const owner = owners.get(chunk);
        owners.set(chunk, owner === undefined || owner === index ? index : SHARED);
      }
    }
    perPath.push({ info, files: tree.files, logicalBytes: tree.bytes, uniqueBytes, chunkBytes });
  }
  const own = new Float64Array(infos.length);
  for (const [chunk, owner] of owners) if (owner !== SHARED) own[owner] += chunkSizes.get(chunk) as number;
  const sum = (values: Iterable<number>) => [...values].reduce((all, one) => all + one, 0);
  return {
    paths: perPath.map((path, index) => ({ ...path, ownBytes: own[index] })),
    total: {
      files: sum(perPath.map(({ files }) => files)),
      logicalBytes: sum(perPath.map(({ logicalBytes }) => logicalBytes)),
      uniqueBytes: sum(blobSizes.values()),
      chunkBytes: sum(chunkSizes.values()),
    },
  };

  async function chunks(digest: Digest, size: number): Promise<readonly Digest[]> {
    let known = chunksOfBlob.get(digest);
    if (known === undefined) {
      const list = (await services.blobs.chunks(digest, options)) ?? [];
      const cut = list.length > 0 ? list : [{ digest, size }];
      for (const chunk of cut) chunkSizes.set(chunk.digest, chunk.size);
      known = cut.map((chunk) => chunk.digest);
      chunksOfBlob.set(digest, known);
    }
    return known;
  }
}

type TreeCount = { readonly files: number; readonly bytes: number; readonly blobs: ReadonlyMap<Digest, number> };

/** Counts a tree; equal directories are looked into once and count each time. */
async function countTree(root: Node, { directories }: CastoreServices, options?: CallOptions): Promise<TreeCount> {
  const blobs = new Map<Digest, number>();
  const known = new Map<Digest, { files: number; bytes: number }>();
  const count = async (node: Node, depth: number): Promise<{ files: number; bytes: number }> => {
    if (node.kind === "symlink") return { files: 0, bytes: 0 };
    if (node.kind === "file") {
      blobs.set(node.digest, node.size);
      return { files: 1, bytes: node.size };
    }
    const before = known.get(node.digest);
    if (before !== undefined) return before;
    if (depth > TREE_DEPTH_MAX) throw tooDeep();
    throwIfAborted(options?.signal);
    const all = { files: 0, bytes: 0 };
    for (const entry of (await needDirectory(directories, node.digest, options)).entries) {
      const one = await count(entry.node, depth + 1);
      all.files += one.files;
      all.bytes += one.bytes;
    }
    known.set(node.digest, all);
    return all;
  };
  return { ...(await count(root, 1)), blobs };
}
