/*
The differences between two attempts with what they look like to be caused by (difference-causes.ts). Of large files only the bytes around what
differs are read; whether the same lines stand in another order is asked of small ones alone.
*/

import { byteStringOf, type ByteString } from "@firn/base";
import {
  type CallOptions,
  type CastoreServices,
  CastoreError,
  type ChangedRange,
  type FileNode,
  readBlob,
} from "@firn/castore";
import type { Attempt } from "./attempt.ts";
import { compareAttempts, type CompareOptions, type OutputDifference } from "./compare-attempts.ts";
import {
  causesOfContents,
  causesOfRange,
  type Circumstances,
  DIFFERENCE_CAUSES,
  type DifferenceCause,
  type Window,
  WINDOW_BYTES,
} from "./difference-causes.ts";

export type ExplainedDifference = {
  readonly difference: OutputDifference;
  /** What it seems to be caused by, the likeliest first; empty where nothing is known of it. */
  readonly causes: readonly DifferenceCause[];
};

/** Largest file that is compared as a whole. */
const WHOLE_BYTES_MAX = 4 * 1024 * 1024;
/** Of a long range this much is looked at. */
const RANGE_BYTES_MAX = 4096;
const HEAD_BYTES = 16;

/** What `compareAttempts` yields, each with its causes. Throws CastoreError `missing` when outputs are gone from the store. */
export async function* explainDifferences(
  left: Pick<Attempt, "outputs">,
  right: Pick<Attempt, "outputs">,
  around: { readonly left: Circumstances; readonly right: Circumstances },
  services: CastoreServices,
  options: CompareOptions = {},
): AsyncGenerator<ExplainedDifference> {
  for await (const difference of compareAttempts(left, right, services, options)) {
    const found = new Set<DifferenceCause>();
    if (difference.kind === "tree" && difference.difference.kind === "changed") {
      const { left: one, right: other } = difference.difference;
      if (one.kind === "symlink" && other.kind === "symlink")
        add(found, causesOfRange(wholeWindow(one.target), wholeWindow(other.target), around));
      if (one.kind === "file" && other.kind === "file")
        await explainFile([one, other], difference.ranges, around, services, found, options);
    }
    yield { difference, causes: DIFFERENCE_CAUSES.filter((cause) => found.has(cause)) };
  }
}

async function explainFile(
  [left, right]: readonly [FileNode, FileNode],
  ranges: readonly ChangedRange[],
  around: { readonly left: Circumstances; readonly right: Circumstances },
  { blobs }: CastoreServices,
  found: Set<DifferenceCause>,
  options: CallOptions,
): Promise<void> {
  if (left.size === right.size && left.size <= WHOLE_BYTES_MAX) {
    const [one, other] = await Promise.all(
      [left, right].map((file) => readBlob(blobs, file.digest, WHOLE_BYTES_MAX, options)),
    );
    add(found, causesOfContents(byteStringOf(one), byteStringOf(other)));
    if (found.has("order")) return; // what stands at a place says nothing then
  }
  const windows = async (file: FileNode, side: "left" | "right"): Promise<readonly [ByteString, readonly Window[]]> => {
    const reader = await blobs.openRead(file.digest, options);
    if (reader === undefined)
      throw new CastoreError("missing", `blob ${file.digest} is not stored`, { context: { digest: file.digest } });
    await using held = reader;
    const read = async (from: number, to: number) => {
      let text = "";
      for await (const chunk of held.stream(from, to)) text += byteStringOf(chunk);
      return text;
    };
    const cut: Window[] = [];
    for (const range of ranges) {
      const { from } = range[side];
      const to = Math.min(range[side].to, from + RANGE_BYTES_MAX);
      const start = Math.max(0, from - WINDOW_BYTES);
      const text = await read(start, Math.min(file.size, to + WINDOW_BYTES));
      cut.push({ text, from: from - start, to: to - start });
    }
    return [await read(0, Math.min(file.size, HEAD_BYTES)), cut];
  };
  const [head, lefts] = await windows(left, "left");
  const [, rights] = await windows(right, "right");
  for (const [index, window] of lefts.entries()) add(found, causesOfRange(window, rights[index], around, head));
}

function wholeWindow(text: ByteString): Window {
  return { text, from: 0, to: text.length };
}

function add(all: Set<DifferenceCause>, more: ReadonlySet<DifferenceCause>): void {
  for (const cause of more) all.add(cause);
}
