/*
Outboards: BLAKE3's tree of a blob beside it, so that any range can be proven to someone who knows the digest. The layout is bao-tree's
pre-order one with groups of 16 KiB (docs/formats/bao.md): the blob's length in eight bytes, little-endian, then a pair of chaining values
for each parent above the groups, parents before children, left before right. It takes 64 bytes for each 16 KiB.
*/

import { toHex, CV_BYTES, GROUP_BYTES, groupCvs, parentCv, pieceRoot } from "@firn/hash";
import { childrenOf, type Subtree } from "./bao-range.ts";
import { CastoreError } from "./error.ts";
import type { Digest } from "./node.ts";

/** The length in front of an outboard and of a slice. */
export const BAO_HEADER_BYTES = 8;
export const PAIR_BYTES = 2 * CV_BYTES;

/** An outboard together with the digest of the blob it is of. */
export type Outboard = { readonly digest: Digest; readonly bytes: Uint8Array };

/** Length of the outboard of a blob of `size` bytes. */
export function outboardBytes(size: number): number {
  return BAO_HEADER_BYTES + PAIR_BYTES * Math.max(0, Math.ceil(size / GROUP_BYTES) - 1);
}

/** The length of the blob that an outboard is of, as it says itself. Throws `corrupt` when the outboard cannot be of any. */
export function outboardSize(outboard: Uint8Array): number {
  if (outboard.length >= BAO_HEADER_BYTES) {
    const size = readSize(outboard);
    if (size !== undefined && outboard.length === outboardBytes(size)) return size;
  }
  throw new CastoreError("corrupt", `an outboard of ${outboard.length} bytes does not fit the length that it states`);
}

/** The length in the first eight bytes, undefined when it is more than any blob's. */
export function readSize(bytes: Uint8Array): number | undefined {
  const size = Number(new DataView(bytes.buffer, bytes.byteOffset, BAO_HEADER_BYTES).getBigUint64(0, true));
  return Number.isSafeInteger(size) ? size : undefined;
}

export function encodeSize(size: number): Uint8Array {
  const bytes = new Uint8Array(BAO_HEADER_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(size), true);
  return bytes;
}

/** Makes the outboard of a blob whose bytes come in pieces. Holds 32 bytes for each 16 KiB of them. */
export class OutboardBuilder {
  /** What came of a group that is not complete yet; one byte more than a group is needed to know that it is not the last. */
  readonly #pending = new Uint8Array(GROUP_BYTES);
  #pendingBytes = 0;
  #cvs = new Uint8Array(64 * CV_BYTES);
  #groups = 0;
  #size = 0;

  /** Takes more bytes, which are the caller's again on return. */
  update(bytes: Uint8Array): void {
    this.#size += bytes.length;
    let at = 0;
    if (this.#pendingBytes > 0) {
      at = Math.min(bytes.length, GROUP_BYTES - this.#pendingBytes);
      this.#pending.set(bytes.subarray(0, at), this.#pendingBytes);
      this.#pendingBytes += at;
      // A full group stays until more comes: should it be the blob's only one, its value is another.
      if (at === bytes.length) return;
      this.#take(this.#pending);
      this.#pendingBytes = 0;
    }
    const rest = bytes.length - at;
    const whole = rest === 0 ? 0 : Math.floor((rest - 1) / GROUP_BYTES) * GROUP_BYTES;
    if (whole > 0) this.#take(bytes.subarray(at, at + whole));
    this.#pending.set(bytes.subarray(at + whole));
    this.#pendingBytes = rest - whole;
  }

  /** The outboard of all that came. The builder must not be used afterwards. */
  finish(): Outboard {
    const last = this.#pending.subarray(0, this.#pendingBytes);
    const bytes = new Uint8Array(outboardBytes(this.#size));
    bytes.set(encodeSize(this.#size));
    if (this.#groups === 0) return { digest: toHex(pieceRoot(last)) as Digest, bytes };
    this.#take(last);
    const root = writePairs(this.#cvs, bytes, BAO_HEADER_BYTES, { firstLeaf: 0, length: this.#size, isRoot: true });
    return { digest: toHex(root) as Digest, bytes };
  }

  #take(groups: Uint8Array): void {
    const count = Math.ceil(groups.length / GROUP_BYTES);
    const needed = (this.#groups + count) * CV_BYTES;
    if (needed > this.#cvs.length) {
      const larger = new Uint8Array(Math.max(needed, this.#cvs.length * 2));
      larger.set(this.#cvs);
      this.#cvs = larger;
    }
    groupCvs(groups, this.#groups, this.#cvs, this.#groups * CV_BYTES);
    this.#groups += count;
  }
}

/** Writes the pairs of a subtree at `at` and yields its chaining value. Recursion is as deep as the tree: 40 at a petabyte. */
function writePairs(cvs: Uint8Array, to: Uint8Array, at: number, subtree: Subtree): Uint8Array {
  if (subtree.length <= GROUP_BYTES) {
    const group = (subtree.firstLeaf * 1024) / GROUP_BYTES;
    return cvs.subarray(group * CV_BYTES, (group + 1) * CV_BYTES);
  }
  const [left, right] = childrenOf(subtree);
  const leftAt = at + PAIR_BYTES;
  to.set(writePairs(cvs, to, leftAt, left), at);
  to.set(writePairs(cvs, to, rightPairAt(leftAt, left), right), at + CV_BYTES);
  return parentCv(to.subarray(at, at + PAIR_BYTES), subtree.isRoot);
}

/** Where the pairs of a right child begin: behind all of the left one's, which begin at `leftAt`. */
export function rightPairAt(leftAt: number, left: Subtree): number {
  return leftAt + PAIR_BYTES * (Math.ceil(left.length / GROUP_BYTES) - 1);
}
