/*
A directory in the making, for trees whose entries do not come in the order of names: archives, and profiles put together of packages.
*/

import type { ByteString } from "@firn/base";
import { type CallOptions, type DirectoryService, type Node, TreeBuilder } from "@firn/castore";

/** By name: folders, and what is finished. */
export type Folder<Leaf extends Node = Exclude<Node, { readonly kind: "directory" }>> = Map<
  ByteString,
  Folder<Leaf> | Leaf
>;

/** Stores the directory and all folders in it, and yields its node. */
export async function putFolder(
  root: Folder<Node>,
  directories: DirectoryService,
  options: CallOptions,
): Promise<Node> {
  await using builder = new TreeBuilder(directories, options);
  const put = async (name: ByteString, folder: Folder<Node>): Promise<void> => {
    builder.enter(name);
    for (const child of [...folder.keys()].sort()) {
      const node = folder.get(child) as Folder<Node> | Node;
      if (node instanceof Map) await put(child, node);
      else builder.add(child, node);
    }
    await builder.leave();
  };
  await put("", root);
  return await builder.close();
}
