/*
The shape of BLAKE3's tree over a blob, and which of its leaves a range of bytes touches. Leaves are 1 KiB, groups 16 KiB. A subtree is
(first leaf, length in bytes); its left child is the largest complete tree that leaves something to the right one.

As in bao-tree, who asks for what lies behind the end gets the last leaf, which proves where the end is.
*/

import { assert } from "@firn/base";
import { GROUP_BYTES, LEAF_BYTES } from "@firn/hash";

export type Subtree = {
  readonly firstLeaf: number;
  /** Length of the subtree's bytes. */
  readonly length: number;
  readonly isRoot: boolean;
};

/** A range of leaves, half open; never empty. */
export type LeafRange = { readonly from: number; readonly to: number };

/** The leaves that hold the bytes `[from, to)` of a blob of `size` bytes; the last one when that is nothing. */
export function leavesOf(size: number, from: number, to: number): LeafRange {
  assert(from >= 0 && to >= from, "a range of bytes is half open and not negative");
  const count = leafCount(size);
  const first = Math.min(Math.floor(from / LEAF_BYTES), count - 1);
  const end = Math.ceil(to / LEAF_BYTES);
  // Whatever reaches to the end or beyond includes the last leaf.
  return { from: first, to: Math.min(Math.max(end, first + 1), count) };
}

/** How many leaves so many bytes have; no bytes are one leaf. */
export function leafCount(length: number): number {
  return Math.max(1, Math.ceil(length / LEAF_BYTES));
}

export function touches({ firstLeaf, length }: Subtree, range: LeafRange): boolean {
  return firstLeaf < range.to && range.from < firstLeaf + leafCount(length);
}

export function isWithin({ firstLeaf, length }: Subtree, range: LeafRange): boolean {
  return range.from <= firstLeaf && firstLeaf + leafCount(length) <= range.to;
}

/** The two children of a subtree of more than one leaf. */
export function childrenOf({ firstLeaf, length }: Subtree): readonly [Subtree, Subtree] {
  let left = LEAF_BYTES;
  while (left * 2 < length) left *= 2;
  return [
    { firstLeaf, length: left, isRoot: false },
    { firstLeaf: firstLeaf + left / LEAF_BYTES, length: length - left, isRoot: false },
  ];
}

/** Whether a subtree travels as its bytes: a leaf always, a group or less when all of it is asked for. */
export function travelsWhole(subtree: Subtree, range: LeafRange): boolean {
  return subtree.length <= LEAF_BYTES || (subtree.length <= GROUP_BYTES && isWithin(subtree, range));
}
