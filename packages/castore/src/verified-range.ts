/*
Ranges of a blob from a reader and an outboard that are both here and neither trusted. It is what a slice proves (bao-slice.ts) without making one: the way down from the
digest is checked in the outboard, group by group as they are needed, and many groups of bytes are hashed in one call.
*/

import { concatBytes, equalBytes } from "@firn/base";
import { CV_BYTES, GROUP_BYTES, GROUPS_BYTES_MAX, groupCvsOfParts, LEAF_BYTES, parentCv, pieceRoot } from "@firn/hash";
import { childrenOf, type LeafRange, leavesOf, type Subtree, touches } from "./bao-range.ts";
import { corrupt } from "./bao-slice.ts";
import type { BlobReader } from "./blob-service.ts";
import { bytesOfDigest } from "./digest.ts";
import { CastoreError } from "./error.ts";
import type { Digest } from "./node.ts";
import { BAO_HEADER_BYTES, outboardSize, PAIR_BYTES, rightPairAt } from "./outboard.ts";

const GROUP_LEAVES = GROUP_BYTES / LEAF_BYTES;
/** Parts of what is not checked yet; from here on they are joined, since a source may send them byte by byte. */
const PARTS_MAX = 64;

/**
 * The bytes `[from, to)`, clipped to the blob, verified against the digest; chunks belong to the consumer. A range that reaches behind the
 * end, or is nothing, proves where the end is. The outboard is one for this range's blob, from anywhere. Throws `corrupt` for anything but the blob's bytes.
 */
export async function* verifiedRange(
  digest: Digest,
  reader: Pick<BlobReader, "size" | "stream">,
  outboard: Uint8Array,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array, void> {
  const size = outboardSize(outboard);
  if (size !== reader.size)
    throw new CastoreError("corrupt", `an outboard for ${size} bytes does not fit a blob of ${reader.size}`);
  const range = leavesOf(size, from, to);
  const values = groupValues(digest, outboard, size, range);
  let at = Math.floor(range.from / GROUP_LEAVES) * GROUP_BYTES;
  const end = Math.min(Math.ceil(range.to / GROUP_LEAVES) * GROUP_BYTES, size);
  if (size === 0) checkGroups(digest, [], at, size, values);
  /** What came from `at` on, and how much that is. */
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of reader.stream(at, end)) {
    for (let taken = 0; taken < chunk.length && at < end; ) {
      const part = chunk.subarray(taken, taken + Math.min(GROUPS_BYTES_MAX, end - at) - length);
      taken += part.length;
      length += part.length;
      if (parts.length === PARTS_MAX) parts = [concatBytes(parts)];
      parts.push(part);
      if (length < GROUPS_BYTES_MAX && at + length < end) continue;
      checkGroups(digest, parts, at, size, values);
      for (const proven of parts) {
        const wanted = proven.subarray(Math.max(0, from - at), Math.max(0, to - at));
        at += proven.length;
        if (wanted.length > 0) yield wanted;
      }
      parts = [];
      length = 0;
    }
  }
  if (at < end) throw corrupt(digest, "it is too short");
}

/** The chaining values of the groups that are touched, in order, each with the way to it from the digest checked. That of an only group is the digest. */
function* groupValues(
  digest: Digest,
  outboard: Uint8Array,
  size: number,
  range: LeafRange,
): Generator<Uint8Array, void> {
  const stack: { readonly subtree: Subtree; readonly expected: Uint8Array; readonly pairAt: number }[] = [
    {
      subtree: { firstLeaf: 0, length: size, isRoot: true },
      expected: bytesOfDigest(digest),
      pairAt: BAO_HEADER_BYTES,
    },
  ];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { subtree, expected, pairAt } = top;
    if (!touches(subtree, range)) continue;
    if (subtree.length <= GROUP_BYTES) {
      yield expected;
      continue;
    }
    const pair = outboard.subarray(pairAt, pairAt + PAIR_BYTES);
    if (!equalBytes(parentCv(pair, subtree.isRoot), expected))
      throw corrupt(digest, `the proof of bytes near ${subtree.firstLeaf * LEAF_BYTES} is wrong`);
    const [left, right] = childrenOf(subtree);
    const leftAt = pairAt + PAIR_BYTES;
    stack.push(
      { subtree: right, expected: pair.subarray(CV_BYTES), pairAt: rightPairAt(leftAt, left) },
      { subtree: left, expected: pair.subarray(0, CV_BYTES), pairAt: leftAt },
    );
  }
}

/** Throws `corrupt` unless the groups in these parts, which begin at `at` in a blob of `size` bytes, are those of the next values. */
function checkGroups(
  digest: Digest,
  parts: readonly Uint8Array[],
  at: number,
  size: number,
  values: Generator<Uint8Array, void>,
): void {
  const found = size <= GROUP_BYTES ? pieceRoot(concatBytes(parts)) : groupCvsOfParts(parts, at / GROUP_BYTES);
  for (let cv = 0; cv < found.length; cv += CV_BYTES) {
    const expected = values.next().value;
    if (expected === undefined || !equalBytes(found.subarray(cv, cv + CV_BYTES), expected))
      throw corrupt(digest, `bytes near ${at + (cv / CV_BYTES) * GROUP_BYTES} are others`);
  }
}
