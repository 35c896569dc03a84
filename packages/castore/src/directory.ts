/*
A Directory: the immutable list of a directory's entries, sorted by the bytes of their names. It keeps every model rule from its
constructor on, and is named by the BLAKE3 of its canonical encoding (directory-codec.ts), which is made on first use.

The size of a directory follows the running Rust code of Tvix and Snix, twice the entries plus the sizes of child
directories, although their prose counts the entries once; see `specSize`.
*/

import type { ByteString } from "@firn/base";
import { digestOf } from "./digest.ts";
import { decodeEntries, encodeEntries } from "./directory-codec.ts";
import { CastoreError } from "./error.ts";
import type { Digest, DirectoryEntry, DirectoryNode, Node } from "./node.ts";
import { checkName, checkNode, quote } from "./node-rules.ts";

export class Directory {
  /** The directory without entries, whose digest is that of the empty blob. */
  static readonly EMPTY = new Directory([]);

  /** In ascending order of the bytes of their names. */
  readonly entries: readonly DirectoryEntry[];
  /** Twice the number of entries plus the sizes of the child directories. */
  readonly size: number;
  #encoded: Uint8Array | undefined;
  #digest: Digest | undefined;

  /** Sorts the entries into a new list. Throws `invalid-name`, `invalid-target`, `invalid-digest` or `invalid-directory`. */
  constructor(entries: Iterable<DirectoryEntry>) {
    const sorted = [...entries];
    let isSorted = true;
    let childSizes = 0;
    for (let i = 0; i < sorted.length; i++) {
      const { name, node } = sorted[i];
      checkName(name);
      checkNode(node);
      if (node.kind === "directory") childSizes += node.size;
      if (i > 0 && sorted[i - 1].name >= name) isSorted = false;
    }
    if (!isSorted) {
      sorted.sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0));
      for (let i = 1; i < sorted.length; i++) {
        if (sorted[i - 1].name !== sorted[i].name) continue;
        throw new CastoreError("invalid-directory", `a directory has two entries named ${quote(sorted[i].name)}`);
      }
    }
    this.entries = sorted;
    this.size = 2 * sorted.length + childSizes;
    if (!Number.isSafeInteger(this.size)) {
      throw new CastoreError("limit", "the size of a directory passes 2^53-1");
    }
  }

  /** The Directory with this canonical encoding; throws `malformed` or a rule's code. The buffer stays the caller's. */
  static decode(bytes: Uint8Array): Directory {
    return new Directory(decodeEntries(bytes));
  }

  /** As `decode`, after checking that the bytes have this digest (`corrupt`). */
  static decodeVerified(bytes: Uint8Array, digest: Digest): Directory {
    if (digestOf(bytes) !== digest) {
      throw new CastoreError("corrupt", `the directory ${digest} is damaged: its bytes have another digest`, {
        context: { digest },
      });
    }
    const directory = Directory.decode(bytes);
    directory.#digest = digest;
    return directory;
  }

  /** The canonical encoding. Shared: not to be written to. */
  get encoded(): Uint8Array {
    this.#encoded ??= encodeEntries(this.entries);
    return this.#encoded;
  }

  get digest(): Digest {
    this.#digest ??= digestOf(this.encoded);
    return this.#digest;
  }

  /** The node by which a parent refers to this directory. */
  get node(): DirectoryNode {
    return { kind: "directory", digest: this.digest, size: this.size };
  }

  /** The size by the prose of castore.v1: entries counted once. Written by older programs, accepted when read. */
  get specSize(): number {
    return this.size - this.entries.length;
  }

  /** The node with this name, or undefined. */
  get(name: ByteString): Node | undefined {
    let low = 0;
    let high = this.entries.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.entries[middle];
      if (found.name === name) return found.node;
      if (found.name < name) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  /** The nodes of the child directories, in order, those of equal contents repeated. */
  *children(): IterableIterator<DirectoryNode> {
    for (const { node } of this.entries) if (node.kind === "directory") yield node;
  }
}
