/*
Finds which of many needles occur in a stream of bytes: Nix's way to learn what an output refers to, since the hash part of every
possible reference is known before. It is exact: occurrences that overlap or cross chunks are found, needles of any length.

The trick is the one of C++ Nix's RefScanSink (references.cc): needles of one length are looked for together, and a window that holds a
byte no needle has cannot match, nor can any window that still holds this byte. Looking at the window from its end, ordinary data lets the
scan leap a whole needle's length at a time. Here the alphabet is what the needles themselves use, so it serves any needles.
*/

import { assert, bytesOf, type ByteString } from "@firn/base";
import type { ContentObserver } from "@firn/castore";

/** One scan over the contents of one tree; hand it to the importer as observer, then ask `found()`. */
export class ReferenceScanner implements ContentObserver {
  readonly #groups: readonly NeedleGroup[];
  readonly #lengthMax: number;
  readonly #found: Uint8Array;

  /** Needles are not empty. The same needle twice is found twice. */
  constructor(needles: readonly ByteString[]) {
    this.#found = new Uint8Array(needles.length);
    const byLength = new Map<number, number[]>();
    needles.forEach((needle, index) => {
      assert(needle.length > 0, "a needle is not empty");
      const indexes = byLength.get(needle.length);
      if (indexes === undefined) byLength.set(needle.length, [index]);
      else indexes.push(index);
    });
    this.#groups = Array.from(byLength, ([length, indexes]) => new NeedleGroup(length, indexes, needles, this.#found));
    this.#lengthMax = Math.max(0, ...byLength.keys());
  }

  /** A sink for one file; it keeps the last bytes of a chunk, so that occurrences across chunks are found. */
  file(): (bytes: Uint8Array) => void {
    const carryMax = Math.max(0, this.#lengthMax - 1);
    let carry = new Uint8Array(carryMax);
    let spare = new Uint8Array(carryMax);
    let carried = 0;
    const seam = new Uint8Array(2 * carryMax);
    return (bytes) => {
      if (carried > 0) {
        const head = Math.min(carryMax, bytes.length);
        seam.set(carry.subarray(0, carried));
        seam.set(bytes.subarray(0, head), carried);
        this.#scan(seam.subarray(0, carried + head));
      }
      this.#scan(bytes);
      const fromChunk = Math.min(carryMax, bytes.length);
      const fromCarry = Math.min(carryMax - fromChunk, carried);
      spare.set(carry.subarray(carried - fromCarry, carried));
      spare.set(bytes.subarray(bytes.length - fromChunk), fromCarry);
      [carry, spare] = [spare, carry];
      carried = fromCarry + fromChunk;
    };
  }

  symlink(target: ByteString): void {
    this.#scan(bytesOf(target));
  }

  /** Indexes of the needles seen so far, ascending. */
  found(): number[] {
    const indexes: number[] = [];
    for (let i = 0; i < this.#found.length; i++) if (this.#found[i] !== 0) indexes.push(i);
    return indexes;
  }

  #scan(bytes: Uint8Array): void {
    for (const group of this.#groups) group.scan(bytes);
  }
}

/** Needles of one length. */
class NeedleGroup {
  readonly #length: number;
  readonly #inAlphabet = new Uint8Array(256);
  /** The needles that start with the same four bytes (or fewer, when they are shorter). */
  readonly #byStart = new Map<number, { readonly index: number; readonly bytes: Uint8Array }[]>();
  /** Whether any needle's start falls on this slot: in data made of the alphabet alone this spares most lookups. */
  readonly #slots = new Uint8Array(1 << SLOT_BITS);
  readonly #found: Uint8Array;
  #missing: number;

  constructor(length: number, indexes: readonly number[], needles: readonly ByteString[], found: Uint8Array) {
    this.#length = length;
    this.#found = found;
    this.#missing = indexes.length;
    for (const index of indexes) {
      const bytes = bytesOf(needles[index]);
      for (const byte of bytes) this.#inAlphabet[byte] = 1;
      const start = startOf(bytes, 0, length);
      this.#slots[slotOf(start)] = 1;
      const others = this.#byStart.get(start);
      if (others === undefined) this.#byStart.set(start, [{ index, bytes }]);
      else others.push({ index, bytes });
    }
  }

  scan(bytes: Uint8Array): void {
    if (this.#missing === 0) return;
    const length = this.#length;
    const inAlphabet = this.#inAlphabet;
    const slots = this.#slots;
    const last = bytes.length - length;
    let at = 0;
    let known = 0; // bytes from `at` up to here are in the alphabet, they need no second look
    while (at <= last) {
      let i = at + length - 1;
      while (i >= known && inAlphabet[bytes[i]] !== 0) i--;
      known = at + length;
      if (i >= at && inAlphabet[bytes[i]] === 0) {
        at = i + 1;
        continue;
      }
      const start = startOf(bytes, at, length);
      if (slots[slotOf(start)] !== 0) this.#compare(bytes, at, this.#byStart.get(start));
      at++;
    }
  }

  #compare(
    bytes: Uint8Array,
    at: number,
    candidates: readonly { index: number; bytes: Uint8Array }[] | undefined,
  ): void {
    if (candidates === undefined) return;
    next: for (const candidate of candidates) {
      if (this.#found[candidate.index] !== 0) continue;
      for (let i = 0; i < candidate.bytes.length; i++) if (bytes[at + i] !== candidate.bytes[i]) continue next;
      this.#found[candidate.index] = 1;
      this.#missing--;
    }
  }
}

const SLOT_BITS = 16;

function slotOf(start: number): number {
  return Math.imul(start, 0x9e3779b1) >>> (32 - SLOT_BITS);
}

/** The first four bytes at `at`, or as many as a needle of `length` has, as one number. */
function startOf(bytes: Uint8Array, at: number, length: number): number {
  if (length >= 4) return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  let start = 0;
  for (let i = 0; i < length; i++) start |= bytes[at + i] << (8 * i);
  return start;
}
