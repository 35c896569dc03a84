/* A node of the store as an object for programs: its kind, and what says all about its contents. */

import { textOf } from "@firn/base";
import { formatDigest, type Node } from "@firn/castore";

export function nodeJson(node: Node): object {
  if (node.kind === "symlink") return { type: "symlink", target: textOf(node.target) };
  const digest = formatDigest(node.digest);
  if (node.kind === "directory") return { type: "directory", digest };
  return { type: "regular", size: node.size, executable: node.executable, digest };
}
