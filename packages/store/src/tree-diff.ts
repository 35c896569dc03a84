/*
What differs between two trees. Equal digests are equal trees, so only what differs is looked into; a file that was changed is compared byte by
byte, down to the ranges.
*/

import { type ByteString, throwIfAborted } from "@firn/base";
import {
  type BlobReader,
  type CallOptions,
  type CastoreServices,
  type Directory,
  type FileNode,
  needDirectory,
  type Node,
  TREE_DEPTH_MAX,
} from "@firn/castore";
import { StoreError } from "./error.ts";

/** Bytes [from, to) of one side stand where bytes of the other stood. */
export type ByteRange = { readonly from: number; readonly to: number };
export type ChangedRange = { readonly left: ByteRange; readonly right: ByteRange };

export type TreeDifference =
  | { readonly kind: "removed"; readonly path: ByteString; readonly left: Node }
  | { readonly kind: "added"; readonly path: ByteString; readonly right: Node }
  | {
      /** Of another kind, or target, or executable bit; contents of files are compared where both are files. */
      readonly kind: "changed";
      readonly path: ByteString;
      readonly left: Node;
      readonly right: Node;
    };

/** Differences in the order of names; paths are relative to the roots, "" for the roots themselves. */
export async function* diffTrees(
  left: Node,
  right: Node,
  services: { readonly left: CastoreServices; readonly right: CastoreServices },
  options?: CallOptions,
): AsyncGenerator<TreeDifference, void> {
  yield* diffNodes("", left, right, 1);

  async function* diffNodes(
    path: ByteString,
    one: Node,
    other: Node,
    depth: number,
  ): AsyncGenerator<TreeDifference, void> {
    throwIfAborted(options?.signal);
    if (sameNode(one, other)) return;
    if (one.kind !== "directory" || other.kind !== "directory") {
      yield { kind: "changed", path, left: one, right: other };
      return;
    }
    if (depth > TREE_DEPTH_MAX)
      throw new StoreError("limit", `the trees are nested deeper than ${TREE_DEPTH_MAX} directories`);
    const [a, b]: [Directory, Directory] = await Promise.all([
      needDirectory(services.left.directories, one.digest, options),
      needDirectory(services.right.directories, other.digest, options),
    ]);
    for (let i = 0, j = 0; i < a.entries.length || j < b.entries.length; ) {
      const x = a.entries[i];
      const y = b.entries[j];
      const below = (name: ByteString) => (path === "" ? name : `${path}/${name}`);
      if (y === undefined || (x !== undefined && x.name < y.name)) {
        yield { kind: "removed", path: below(x.name), left: x.node };
        i++;
      } else if (x === undefined || y.name < x.name) {
        yield { kind: "added", path: below(y.name), right: y.node };
        j++;
      } else {
        yield* diffNodes(below(x.name), x.node, y.node, depth + 1);
        i++;
        j++;
      }
    }
  }
}

function sameNode(one: Node, other: Node): boolean {
  if (one.kind === "symlink" || other.kind === "symlink")
    return one.kind === "symlink" && other.kind === "symlink" && one.target === other.target;
  if (one.digest !== other.digest) return false;
  return one.kind === "directory"
    ? other.kind === "directory"
    : other.kind === "file" && one.executable === other.executable;
}

/** Ranges closer than this are told as one. */
const GAP_BYTES = 16;
const BLOCK_BYTES = 256 * 1024;

/**
 * Where the contents of two files differ, at most `rangesMax` places, the last of which then reaches to the end of what differs. Files of one length
 * are compared place by place; of others it is said what stands between their common beginning and their common end.
 */
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
  const shorter = Math.min(a.size, b.size);
  if (a.size !== b.size) {
    const before = await commonPrefix(a, b, shorter, options);
    const after = await commonSuffix(a, b, shorter - before, options);
    return [{ left: { from: before, to: a.size - after }, right: { from: before, to: b.size - after } }];
  }
  const ranges: { from: number; to: number }[] = [];
  for await (const [x, y, at] of blocks(a, b, shorter, options)) {
    for (let i = 0; i < x.length; i++) {
      if (x[i] === y[i]) continue;
      const last = ranges.at(-1);
      if (last !== undefined && (at + i - last.to < GAP_BYTES || ranges.length === rangesMax)) last.to = at + i + 1;
      else ranges.push({ from: at + i, to: at + i + 1 });
    }
  }
  return ranges.map((range) => ({ left: range, right: range }));
}

async function openFile({ digest }: FileNode, { blobs }: CastoreServices, options?: CallOptions): Promise<BlobReader> {
  const reader = await blobs.openRead(digest, options);
  if (reader === undefined) throw new StoreError("missing", `blob ${digest} is not stored`, { context: { digest } });
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

async function* blocks(a: BlobReader, b: BlobReader, length: number, options?: CallOptions) {
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    throwIfAborted(options?.signal);
    const to = Math.min(length, at + BLOCK_BYTES);
    yield [await readBlock(a, at, to), await readBlock(b, at, to), at] as const;
  }
}

async function commonPrefix(a: BlobReader, b: BlobReader, most: number, options?: CallOptions): Promise<number> {
  for await (const [x, y, at] of blocks(a, b, most, options)) {
    for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return at + i;
  }
  return most;
}

async function commonSuffix(a: BlobReader, b: BlobReader, most: number, options?: CallOptions): Promise<number> {
  for (let common = 0; common < most; ) {
    throwIfAborted(options?.signal);
    const length = Math.min(BLOCK_BYTES, most - common);
    const x = await readBlock(a, a.size - common - length, a.size - common);
    const y = await readBlock(b, b.size - common - length, b.size - common);
    for (let i = length - 1; i >= 0; i--) if (x[i] !== y[i]) return common + length - 1 - i;
    common += length;
  }
  return most;
}
