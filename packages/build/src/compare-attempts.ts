/*
What differs between the outputs of two attempts: of one recipe, to see whether it is reproducible, or of two, to see what a change did. Only
what differs is read; files are compared down to ranges of bytes.
*/

import type { ByteString } from "@firn/base";
import {
  type CallOptions,
  type CastoreServices,
  type ChangedRange,
  diffFiles,
  diffTrees,
  type TreeDifference,
} from "@firn/castore";
import type { Attempt } from "./attempt.ts";

export type OutputDifference =
  /** Only one of the attempts has this output. */
  | { readonly kind: "only-left" | "only-right"; readonly output: ByteString }
  | {
      readonly kind: "tree";
      readonly output: ByteString;
      readonly difference: TreeDifference;
      /** Where a changed file's contents differ. */
      readonly ranges: readonly ChangedRange[];
    };

export type CompareOptions = CallOptions & {
  /** Most ranges of one file; what differs beyond is told as one. 10 when not said, 0: none are looked for. */
  readonly rangesMax?: number;
};

/** Differences output by output, by the paths they are made at, in the order of `left`. Throws CastoreError `missing` when outputs are gone from the store. */
export async function* compareAttempts(
  left: Pick<Attempt, "outputs">,
  right: Pick<Attempt, "outputs">,
  services: CastoreServices,
  { rangesMax = 10, ...options }: CompareOptions = {},
): AsyncGenerator<OutputDifference> {
  const both = { left: services, right: services };
  const rights = new Map(right.outputs.map((output) => [output.path, output.node]));
  for (const { path: output, node } of left.outputs) {
    const other = rights.get(output);
    rights.delete(output);
    if (other === undefined) {
      yield { kind: "only-left", output };
      continue;
    }
    for await (const difference of diffTrees(node, other, both, options)) {
      const files = difference.kind === "changed" && rangesMax > 0 ? difference : undefined;
      const ranges =
        files?.left.kind === "file" && files.right.kind === "file"
          ? await diffFiles(files.left, files.right, both, rangesMax, options)
          : [];
      yield { kind: "tree", output, difference, ranges };
    }
  }
  for (const output of rights.keys()) yield { kind: "only-right", output };
}
