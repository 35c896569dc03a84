/*
Slices: a range of a blob together with what proves it, in the order in which it can be checked as it arrives. This is bao's encoding
with bao-tree's groups (docs/formats/bao.md). Whoever decodes knows the digest from elsewhere and trusts nothing else: not a byte is
handed out before the chain from the digest down to its leaf was checked.

Both sides walk the same tree with a stack of their own, parents before children, left before right.
*/

import { assert, ByteSource, type ByteStream, equalBytes } from "@firn/base";
import { GROUP_BYTES, LEAF_BYTES, CV_BYTES, parentCv, pieceCv, pieceRoot } from "@firn/hash";
import { childrenOf, type LeafRange, leavesOf, type Subtree, touches, travelsWhole } from "./bao-range.ts";
import type { BlobReader } from "./blob-service.ts";
import { bytesOfDigest } from "./digest.ts";
import { CastoreError } from "./error.ts";
import type { Digest } from "./node.ts";
import { BAO_HEADER_BYTES, encodeSize, outboardSize, PAIR_BYTES, readSize, rightPairAt } from "./outboard.ts";

/**
 * The slice for the bytes `[from, to)`, clipped to the blob; chunks belong to the consumer. Neither the reader nor the outboard is checked
 * against a digest: who receives the slice does that. Throws `corrupt` when they do not even fit each other.
 */
export async function* encodeSlice(
  reader: Pick<BlobReader, "size" | "stream">,
  outboard: Uint8Array,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array, void> {
  const size = outboardSize(outboard);
  if (size !== reader.size)
    throw new CastoreError("corrupt", `an outboard for ${size} bytes does not fit a blob of ${reader.size}`);
  yield encodeSize(size);
  const range = leavesOf(size, from, to);
  const groupLeaves = GROUP_BYTES / LEAF_BYTES;
  // Leaves come in ascending order, so one stream over all groups that are touched is enough.
  const firstGroup = Math.floor(range.from / groupLeaves) * GROUP_BYTES;
  const lastEnd = Math.min(Math.ceil(range.to / groupLeaves) * GROUP_BYTES, size);
  await using data = new ByteSource(reader.stream(firstGroup, lastEnd));
  const short = () => new CastoreError("corrupt", "a blob ended before the length that was stated");
  const stack: { readonly subtree: Subtree; readonly pairAt: number }[] = [
    { subtree: { firstLeaf: 0, length: size, isRoot: true }, pairAt: BAO_HEADER_BYTES },
  ];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { subtree, pairAt } = top;
    if (!touches(subtree, range)) continue;
    if (subtree.length <= GROUP_BYTES) {
      const group = await data.exactly(subtree.length, short);
      if (travelsWhole(subtree, range)) yield new Uint8Array(group);
      else for (const part of partOfGroup(group, subtree, subtree, range)) yield part;
      continue;
    }
    yield outboard.slice(pairAt, pairAt + PAIR_BYTES);
    const [left, right] = childrenOf(subtree);
    const leftAt = pairAt + PAIR_BYTES;
    stack.push({ subtree: right, pairAt: rightPairAt(leftAt, left) }, { subtree: left, pairAt: leftAt });
  }
}

/** Pairs and leaves inside a group of which not all is asked for; they are not in the outboard and computed here. */
function* partOfGroup(group: Uint8Array, whole: Subtree, subtree: Subtree, range: LeafRange): Generator<Uint8Array> {
  if (!touches(subtree, range)) return;
  const bytesOf = ({ firstLeaf, length }: Subtree) => {
    const at = (firstLeaf - whole.firstLeaf) * LEAF_BYTES;
    return group.subarray(at, at + length);
  };
  if (travelsWhole(subtree, range)) {
    yield new Uint8Array(bytesOf(subtree));
    return;
  }
  const pair = new Uint8Array(PAIR_BYTES);
  const children = childrenOf(subtree);
  children.forEach((child, i) => {
    pair.set(pieceCv(bytesOf(child), child.firstLeaf), i * CV_BYTES);
  });
  yield pair;
  for (const child of children) yield* partOfGroup(group, whole, child, range);
}

/**
 * The bytes `[from, to)` out of a slice that was encoded for the same range, clipped to the blob, verified against the digest; chunks of at
 * most 16 KiB belong to the consumer. That they end is verified too: a range that reaches behind the end includes the proof of where it is.
 * Throws `corrupt` for anything but the blob's bytes, and when the slice is too short.
 */
export async function* decodeSlice(
  slice: ByteStream,
  digest: Digest,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array, void> {
  await using source = new ByteSource(slice);
  const short = () => corrupt(digest, "the slice is too short");
  const size = readSize(await source.exactly(BAO_HEADER_BYTES, short));
  if (size === undefined) throw corrupt(digest, "the slice states a length that no blob has");
  const range = leavesOf(size, from, to);
  const stack: { readonly subtree: Subtree; readonly expected: Uint8Array }[] = [
    { subtree: { firstLeaf: 0, length: size, isRoot: true }, expected: bytesOfDigest(digest) },
  ];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { subtree, expected } = top;
    if (!touches(subtree, range)) continue;
    if (travelsWhole(subtree, range)) {
      const bytes = new Uint8Array(await source.exactly(subtree.length, short));
      const found = subtree.isRoot ? pieceRoot(bytes) : pieceCv(bytes, subtree.firstLeaf);
      if (!equalBytes(found, expected))
        throw corrupt(digest, `bytes near ${subtree.firstLeaf * LEAF_BYTES} are others`);
      const at = subtree.firstLeaf * LEAF_BYTES;
      const part = bytes.subarray(Math.max(0, from - at), Math.max(0, to - at));
      if (part.length > 0) yield part;
      continue;
    }
    const pair = new Uint8Array(await source.exactly(PAIR_BYTES, short));
    if (!equalBytes(parentCv(pair, subtree.isRoot), expected))
      throw corrupt(digest, `the proof of bytes near ${subtree.firstLeaf * LEAF_BYTES} is wrong`);
    const [left, right] = childrenOf(subtree);
    stack.push(
      { subtree: right, expected: pair.subarray(CV_BYTES) },
      { subtree: left, expected: pair.subarray(0, CV_BYTES) },
    );
    assert(stack.length < 64, "the tree of a blob is at most 43 levels high");
  }
}

/** For what was found to be something else. */
export function corrupt(digest: Digest, how: string): CastoreError {
  return new CastoreError("corrupt", `what came for blob ${digest} is not it: ${how}`, { context: { digest } });
}
