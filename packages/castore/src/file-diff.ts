/*
Where two files differ. Chunks are cut by content, so what both files have in common are chunks of equal digest, wherever they are; the rows of
chunks are laid side by side at those that occur once in both, and only what lies between is read and compared byte by byte. So an insertion into a
large file is one range, and costs reading a few chunks.
*/

import { throwIfAborted } from "@firn/base";
import type { BlobReader, ChunkMeta } from "./blob-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import type { CastoreServices } from "./lookup.ts";
import type { Digest, FileNode } from "./node.ts";

/** Bytes [from, to) of one side stand where bytes of the other stood. */
export type ByteRange = { readonly from: number; readonly to: number };
export type ChangedRange = { readonly left: ByteRange; readonly right: ByteRange };

/** Ranges closer than this are told as one. */
const GAP_BYTES = 16;
const BLOCK_BYTES = 256 * 1024;

/** Where the contents of two files differ, in order; at most `rangesMax` places, the last of which then reaches to the end of all that differs. */
export async function diffFiles(
  left: FileNode,
  right: FileNode,
  services: { readonly left: CastoreServices; readonly right: CastoreServices },
  rangesMax: number,
  options?: CallOptions,
): Promise<ChangedRange[]> {
  if (left.digest === right.digest) return [];
  await using a = await openFile(left, services.left, options);
  await using b = await openFile(right, services.right, options);
  const found = new Ranges(rangesMax);
  const rows = await Promise.all([chunkRow(left, services.left, options), chunkRow(right, services.right, options)]);
  for (const gap of gapsOf(rows[0], rows[1])) await compare(a, b, gap, found, options);
  return found.ranges;
}

/** What differs so far; near ranges become one, and so do those beyond the limit. */
class Ranges {
  readonly ranges: { left: { from: number; to: number }; right: { from: number; to: number } }[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  add(left: ByteRange, right: ByteRange): void {
    const last = this.ranges.at(-1);
    const isNear = last !== undefined && left.from - last.left.to < GAP_BYTES && right.from - last.right.to < GAP_BYTES;
    if (last !== undefined && (isNear || this.ranges.length === this.#max)) {
      last.left.to = left.to;
      last.right.to = right.to;
    } else this.ranges.push({ left: { ...left }, right: { ...right } });
  }
}

type PlacedChunk = { readonly digest: Digest; readonly from: number; readonly to: number };

async function chunkRow(
  { digest, size }: FileNode,
  { blobs }: CastoreServices,
  options?: CallOptions,
): Promise<PlacedChunk[]> {
  const listed = (await blobs.chunks(digest, options)) ?? [];
  const chunks: readonly ChunkMeta[] = listed.length > 0 ? listed : [{ digest, size }];
  let at = 0;
  return chunks.map((chunk) => {
    const from = at;
    at += chunk.size;
    return { digest: chunk.digest, from, to: at };
  });
}

/** What lies between the chunks that both rows have in the same order. */
function* gapsOf(left: readonly PlacedChunk[], right: readonly PlacedChunk[]): Generator<ChangedRange, void> {
  let i = 0;
  let j = 0;
  const gap = (iTo: number, jTo: number): ChangedRange => ({
    left: { from: left[i]?.from ?? left.at(-1)?.to ?? 0, to: left[iTo]?.from ?? left.at(-1)?.to ?? 0 },
    right: { from: right[j]?.from ?? right.at(-1)?.to ?? 0, to: right[jTo]?.from ?? right.at(-1)?.to ?? 0 },
  });
  for (const [x, y] of [...anchorsOf(left, right), [left.length, right.length]]) {
    // Chunks next to an anchor that are equal but occur more than once.
    let before = 0;
    while (x - before > i && y - before > j && left[x - before - 1].digest === right[y - before - 1].digest) before++;
    while (i < x - before && j < y - before && left[i].digest === right[j].digest) {
      i++;
      j++;
    }
    if (i < x - before || j < y - before) yield gap(x - before, y - before);
    i = x + 1;
    j = y + 1;
  }
}

/** Pairs of indexes of chunks that occur once in both rows, both rising: a longest such row. */
function anchorsOf(left: readonly PlacedChunk[], right: readonly PlacedChunk[]): [number, number][] {
  const once = (row: readonly PlacedChunk[]) => {
    const places = new Map<Digest, number>();
    for (const [at, { digest }] of row.entries()) places.set(digest, places.has(digest) ? -1 : at);
    return places;
  };
  const inLeft = once(left);
  const inRight = once(right);
  // Patience: `tops` are the ends of the best rows of each length so far, each pair knows the one before it.
  const pairs: { x: number; y: number; before: number }[] = [];
  const tops: number[] = [];
  for (const [digest, x] of inLeft) {
    const y = inRight.get(digest) ?? -1;
    if (x < 0 || y < 0) continue;
    let low = 0;
    let high = tops.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (pairs[tops[middle]].y < y) low = middle + 1;
      else high = middle;
    }
    pairs.push({ x, y, before: low === 0 ? -1 : tops[low - 1] });
    tops[low] = pairs.length - 1;
  }
  const row: [number, number][] = [];
  for (let at = tops.at(-1) ?? -1; at >= 0; at = pairs[at].before) row.push([pairs[at].x, pairs[at].y]);
  return row.reverse();
}

/** Compares what lies between: place by place where both sides are as long, else from both ends. */
async function compare(
  a: BlobReader,
  b: BlobReader,
  gap: ChangedRange,
  found: Ranges,
  options?: CallOptions,
): Promise<void> {
  const { left, right } = gap;
  const length = Math.min(left.to - left.from, right.to - right.from);
  if (left.to - left.from !== right.to - right.from) {
    const before = await commonPrefix(a, b, gap, length, options);
    const after = await commonSuffix(a, b, gap, length - before, options);
    found.add({ from: left.from + before, to: left.to - after }, { from: right.from + before, to: right.to - after });
    return;
  }
  for await (const [x, y, at] of blocks(a, b, gap, length, options)) {
    for (let i = 0; i < x.length; i++) {
      if (x[i] === y[i]) continue;
      const [p, q] = [left.from + at + i, right.from + at + i];
      found.add({ from: p, to: p + 1 }, { from: q, to: q + 1 });
    }
  }
}

async function openFile({ digest }: FileNode, { blobs }: CastoreServices, options?: CallOptions): Promise<BlobReader> {
  const reader = await blobs.openRead(digest, options);
  if (reader === undefined) throw new CastoreError("missing", `blob ${digest} is not stored`, { context: { digest } });
  return reader;
}

async function readBlock(reader: BlobReader, from: number, to: number): Promise<Uint8Array> {
  const block = new Uint8Array(to - from);
  let at = 0;
  for await (const chunk of reader.stream(from, to)) {
    block.set(chunk, at);
    at += chunk.length;
  }
  return block;
}

/** Blocks from the beginnings of both sides, with their offset there. */
async function* blocks(
  a: BlobReader,
  b: BlobReader,
  { left, right }: ChangedRange,
  length: number,
  options?: CallOptions,
) {
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    throwIfAborted(options?.signal);
    const to = Math.min(length, at + BLOCK_BYTES);
    const x = readBlock(a, left.from + at, left.from + to);
    yield [await x, await readBlock(b, right.from + at, right.from + to), at] as const;
  }
}

async function commonPrefix(
  a: BlobReader,
  b: BlobReader,
  gap: ChangedRange,
  most: number,
  options?: CallOptions,
): Promise<number> {
  for await (const [x, y, at] of blocks(a, b, gap, most, options)) {
    for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return at + i;
  }
  return most;
}

async function commonSuffix(
  a: BlobReader,
  b: BlobReader,
  { left, right }: ChangedRange,
  most: number,
  options?: CallOptions,
): Promise<number> {
  for (let common = 0; common < most; ) {
    throwIfAborted(options?.signal);
    const length = Math.min(BLOCK_BYTES, most - common);
    const x = await readBlock(a, left.to - common - length, left.to - common);
    const y = await readBlock(b, right.to - common - length, right.to - common);
    for (let i = length - 1; i >= 0; i--) if (x[i] !== y[i]) return common + length - 1 - i;
    common += length;
  }
  return most;
}
