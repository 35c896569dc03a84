/*
What differs between two trees. Equal digests are equal trees, so only what differs is looked into. Where in a changed file is file-diff.ts's.
*/

import { type ByteString, throwIfAborted } from "@firn/base";
import type { Directory } from "./directory.ts";
import type { CallOptions } from "./lease.ts";
import { type CastoreServices, needDirectory, tooDeep } from "./lookup.ts";
import { type Node, TREE_DEPTH_MAX } from "./node.ts";

export type TreeDifference =
  | { readonly kind: "removed"; readonly path: ByteString; readonly left: Node }
  | { readonly kind: "added"; readonly path: ByteString; readonly right: Node }
  | {
      /** Of another kind, or target, or executable bit; contents of files are compared where both are files. */
      readonly kind: "changed";
      readonly path: ByteString;
      readonly left: Node;
      readonly right: Node;
    };

/** Differences in the order of names; paths are relative to the roots, "" for the roots themselves. */
export async function* diffTrees(
  left: Node,
  right: Node,
  services: { readonly left: CastoreServices; readonly right: CastoreServices },
  options?: CallOptions,
): AsyncGenerator<TreeDifference, void> {
  yield* diffNodes("", left, right, 1);

  async function* diffNodes(
    path: ByteString,
    one: Node,
    other: Node,
    depth: number,
  ): AsyncGenerator<TreeDifference, void> {
    throwIfAborted(options?.signal);
    if (sameNode(one, other)) return;
    if (one.kind !== "directory" || other.kind !== "directory") {
      yield { kind: "changed", path, left: one, right: other };
      return;
    }
    if (depth > TREE_DEPTH_MAX) throw tooDeep();
    const [a, b]: [Directory, Directory] = await Promise.all([
      needDirectory(services.left.directories, one.digest, options),
      needDirectory(services.right.directories, other.digest, options),
    ]);
    for (let i = 0, j = 0; i < a.entries.length || j < b.entries.length; ) {
      const x = a.entries[i];
      const y = b.entries[j];
      const below = (name: ByteString) => (path === "" ? name : `${path}/${name}`);
      if (y === undefined || (x !== undefined && x.name < y.name)) {
        yield { kind: "removed", path: below(x.name), left: x.node };
        i++;
      } else if (x === undefined || y.name < x.name) {
        yield { kind: "added", path: below(y.name), right: y.node };
        j++;
      } else {
        yield* diffNodes(below(x.name), x.node, y.node, depth + 1);
        i++;
        j++;
      }
    }
  }
}

function sameNode(one: Node, other: Node): boolean {
  if (one.kind === "symlink" || other.kind === "symlink")
    return one.kind === "symlink" && other.kind === "symlink" && one.target === other.target;
  if (one.digest !== other.digest) return false;
  return one.kind === "directory"
    ? other.kind === "directory"
    : other.kind === "file" && one.executable === other.executable;
}
