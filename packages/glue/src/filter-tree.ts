/*
Part of a tree that is in castore: the same nodes without the entries a filter leaves out. Only directories that lost something are new.
*/

import type { ByteString } from "@firn/base";
import {
  type CallOptions,
  type Directory,
  type DirectoryService,
  needDirectory,
  type Node,
  TreeBuilder,
} from "@firn/castore";

/** Whether an entry stays; gets its path relative to the root. A directory left out is not entered. */
export type NodeFilter = (path: ByteString) => boolean;

/** Puts the directories that are new and yields the root, which itself always stays. */
export async function filterTree(
  directories: DirectoryService,
  root: Node,
  filter: NodeFilter,
  options?: CallOptions,
): Promise<Node> {
  if (root.kind !== "directory") return root;
  await using builder = new TreeBuilder(directories, options);
  const copy = async (name: ByteString, path: ByteString, directory: Directory): Promise<void> => {
    builder.enter(name);
    for (const { name: entry, node } of directory.entries) {
      const below = path === "" ? entry : `${path}/${entry}`;
      if (!filter(below)) continue;
      if (node.kind === "directory") await copy(entry, below, await needDirectory(directories, node.digest, options));
      else builder.add(entry, node);
    }
    await builder.leave();
  };
  await copy("", "", await needDirectory(directories, root.digest, options));
  return await builder.close();
}
