/* Differences of trees as commands print them: lines for people, objects for programs. */

import { type ByteString, textOf } from "@firn/base";
import type { OutputDifference } from "@firn/build";
import type { ChangedRange, Node, TreeDifference } from "@firn/castore";
import { nodeJson } from "./node-json.ts";

/** A line, and one for each range. `root` is put before the path. */
export function differenceRow(difference: TreeDifference, ranges: readonly ChangedRange[], root = ""): ByteString {
  const path = difference.path === "" ? root || "." : root === "" ? difference.path : `${root}/${difference.path}`;
  if (difference.kind === "removed") return `- ${path} (${nodeText(difference.left)})\n`;
  if (difference.kind === "added") return `+ ${path} (${nodeText(difference.right)})\n`;
  const rows = ranges.map(({ left, right }) =>
    left.from === right.from && left.to === right.to
      ? `    bytes ${left.from} to ${left.to}\n`
      : `    bytes ${left.from} to ${left.to} became bytes ${right.from} to ${right.to}\n`,
  );
  return `~ ${path} (${nodeText(difference.left)} -> ${nodeText(difference.right)})\n${rows.join("")}`;
}

function nodeText(node: Node): ByteString {
  if (node.kind === "directory") return "directory";
  if (node.kind === "symlink") return `symlink to ${node.target}`;
  return `${node.executable ? "executable" : "file"} of ${node.size} bytes`;
}

export function differenceJson(difference: TreeDifference, ranges: readonly ChangedRange[]): object {
  const { kind, path } = difference;
  const left = difference.kind === "added" ? undefined : nodeJson(difference.left);
  const right = difference.kind === "removed" ? undefined : nodeJson(difference.right);
  return { path: textOf(path), change: kind, left, right, ranges: kind === "changed" ? ranges : undefined };
}

/** Of outputs of builds: as above, or one that only one side has. `output` is how it is called. */
export function outputDifferenceRow(found: OutputDifference, output: ByteString): ByteString {
  if (found.kind === "tree") return differenceRow(found.difference, found.ranges, output);
  return `${found.kind === "only-left" ? "-" : "+"} ${output}\n`;
}

export function outputDifferenceJson(found: OutputDifference): object {
  if (found.kind === "tree") return differenceJson(found.difference, found.ranges);
  return { path: "", change: found.kind === "only-left" ? "removed" : "added" };
}
