/*
A tree as the row of segments its NAR is made of: literal bytes, and holes that contents of files belong into. Directories are read as they are
reached, contents not at all. With the sizes of all directories at hand (nar-layout.ts) whole subtrees before a range are stepped over.
*/

import { throwIfAborted } from "@firn/base";
import {
  type CallOptions,
  type Digest,
  type DirectoryEntry,
  type DirectoryService,
  type FileNode,
  needDirectory,
  type Node,
} from "@firn/castore";
import { NAR_DEPTH_MAX, NAR_PIECE_BYTES_MAX, narLengths, narPieces, NixCompatError } from "@firn/nix-compat";
import { StoreError } from "./error.ts";

/** Either `literal`, or the bytes [from, to) of `file`. */
export type NarSegment =
  | { readonly literal: Uint8Array; readonly file?: undefined }
  | { readonly literal?: undefined; readonly file: FileNode; readonly from: number; readonly to: number };

export type NarRange = {
  readonly from: number;
  readonly to: number;
  /** The length in the NAR of each directory of the tree, without its entry. */
  readonly directoryBytes: ReadonlyMap<Digest, number>;
};

/** Literals are handed out when they are this long, and before each hole. */
const LITERAL_BYTES = 16 * 1024;
/** Literals are parts of buffers of this length. */
const BUFFER_BYTES = 64 * 1024;

/** The segments of the NAR of `root`, or of a range of it. Throws `missing`, and `malformed` for a tree that no NAR can hold. */
export async function* narSegments(
  root: Node,
  directories: DirectoryService,
  options?: CallOptions,
  range?: NarRange,
): AsyncGenerator<NarSegment, void> {
  const to = range?.to ?? Number.POSITIVE_INFINITY;
  const out = new Gathered(range?.from ?? 0, to);
  const open: { readonly entries: readonly DirectoryEntry[]; next: number }[] = [];
  try {
    out.begin();
    out.end(narPieces.magic(out.bytes, out.length));
    for (let node: Node | undefined = root; ; ) {
      throwIfAborted(options?.signal);
      if (node?.kind === "directory") {
        if (open.length === NAR_DEPTH_MAX)
          throw new StoreError("limit", `a NAR holds directories nested at most ${NAR_DEPTH_MAX} deep`);
        out.begin();
        out.end(narPieces.directoryOpen(out.bytes, out.length));
        const { entries } = await needDirectory(directories, node.digest, options);
        open.push({ entries, next: 0 });
      } else if (node?.kind === "symlink") {
        out.begin();
        out.end(narPieces.symlink(out.bytes, out.length, node.target));
      } else if (node !== undefined) {
        out.begin();
        out.end(narPieces.fileOpen(out.bytes, out.length, node.size, node.executable));
        if (node.size > 0) {
          const hole = out.hole(node);
          if (hole !== undefined) {
            const literal = out.take();
            if (literal !== undefined) yield literal;
            yield hole;
          }
        }
        out.begin();
        out.end(narPieces.fileClose(out.bytes, out.length, node.size));
      }
      // A directory goes on with its entries; anything else was an entry's node, or the root.
      if (node !== undefined && node.kind !== "directory" && open.length > 0) out.close();
      node = undefined;
      const last = open.at(-1);
      if (last === undefined || out.at >= to) break;
      if (last.next === last.entries.length) {
        open.pop();
        out.close();
        if (open.length > 0) out.close();
      } else {
        const entry = last.entries[last.next++];
        if (range === undefined || !out.skip(entryBytes(entry, range.directoryBytes))) {
          out.begin();
          out.end(narPieces.entryOpen(out.bytes, out.length, entry.name));
          node = entry.node;
        }
      }
      if (out.gathered >= LITERAL_BYTES) {
        const literal = out.take();
        if (literal !== undefined) yield literal;
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof NixCompatError)) throw thrown;
    throw new StoreError("malformed", thrown.message, { cause: thrown });
  }
  const literal = out.take();
  if (literal !== undefined) yield literal;
}

/** The length in a NAR of an entry and all below it. */
export function entryBytes({ name, node }: DirectoryEntry, directoryBytes: ReadonlyMap<Digest, number>): number {
  return narLengths.entry(name) + nodeBytes(node, directoryBytes);
}

/** The length in a NAR of a node and all below it. Directories must be known. */
export function nodeBytes(node: Node, directoryBytes: ReadonlyMap<Digest, number>): number {
  if (node.kind === "symlink") return narLengths.symlink(node.target);
  if (node.kind === "file") return narLengths.file(node.size, node.executable);
  const bytes = directoryBytes.get(node.digest);
  if (bytes === undefined) throw new StoreError("missing", `directory ${node.digest} is not part of this NAR`);
  return bytes;
}

/**
 * Literal bytes on their way, cut to the range. A piece is written between `begin` and `end` at `bytes[length]`. `at` counts all bytes of the NAR that
 * went by. Buffers are handed out in parts and left alone afterwards.
 */
class Gathered {
  at = 0;
  bytes = new Uint8Array(BUFFER_BYTES);
  length = 0;
  readonly #from: number;
  readonly #to: number;
  /** Where what was not handed out begins. */
  #start = 0;

  constructor(from: number, to: number) {
    this.#from = from;
    this.#to = to;
  }

  get gathered(): number {
    return this.length - this.#start;
  }

  begin(): void {
    if (this.length + NAR_PIECE_BYTES_MAX <= this.bytes.length) return;
    const rest = this.bytes.subarray(this.#start, this.length);
    this.bytes = new Uint8Array(BUFFER_BYTES);
    this.bytes.set(rest);
    this.length = rest.length;
    this.#start = 0;
  }

  end(length: number): void {
    const before = this.at;
    this.at += length - this.length;
    if (before >= this.#from && this.at <= this.#to) {
      this.length = length;
      return;
    }
    const from = Math.max(0, this.#from - before);
    const to = Math.min(length - this.length, this.#to - before);
    if (from >= to) return;
    this.bytes.copyWithin(this.length, this.length + from, this.length + to);
    this.length += to - from;
  }

  close(): void {
    this.begin();
    this.end(narPieces.close(this.bytes, this.length));
  }

  /** Passes `length` bytes when all of them are before the range. */
  skip(length: number): boolean {
    if (this.at + length > this.#from) return false;
    this.at += length;
    return true;
  }

  /** The part of a file's contents that is in the range. */
  hole(file: FileNode): NarSegment | undefined {
    const from = Math.max(0, this.#from - this.at);
    const to = Math.min(file.size, this.#to - this.at);
    this.at += file.size;
    return from < to ? { file, from, to } : undefined;
  }

  take(): NarSegment | undefined {
    if (this.length === this.#start) return undefined;
    const literal = this.bytes.subarray(this.#start, this.length);
    this.#start = this.length;
    return { literal };
  }
}
