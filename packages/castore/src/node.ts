/*
The castore model: a Node is a directory, a file or a symlink, and is all there is to know about a tree besides the
name it is met under. Directories and files are named by the BLAKE3 digest of their canonical encoding or contents, so a
Node is a Merkle root. Same model, rules and digests as Snix and Tvix castore.v1.

Digests are lower-case hex strings: they are keys of every map, appear in every log, and compare with `===`.
Sizes are integers up to 2^53-1. Names and targets are byte strings.
*/

import type { ByteString } from "@firn/base";

/** A BLAKE3-256 digest as 64 lower-case hex digits. */
export type Digest = string & { readonly __digest: unique symbol };

export type DirectoryNode = {
  readonly kind: "directory";
  /** Digest of the canonical encoding of the Directory. */
  readonly digest: Digest;
  /** The size field of the running reference: twice its entries plus the sizes of its child directories. */
  readonly size: number;
};

export type FileNode = {
  readonly kind: "file";
  /** Digest of the contents, however they are chunked. */
  readonly digest: Digest;
  /** Length of the contents in bytes. */
  readonly size: number;
  readonly executable: boolean;
};

export type SymlinkNode = {
  readonly kind: "symlink";
  /** 1 to 4095 bytes without NUL; never resolved by castore. */
  readonly target: ByteString;
};

export type Node = DirectoryNode | FileNode | SymlinkNode;

/** A node and the name it is met under in its directory. */
export type DirectoryEntry = {
  /** 1 to 255 bytes without NUL and `/`, not `.` and not `..`; any bytes else. */
  readonly name: ByteString;
  readonly node: Node;
};

/** Longest name of a directory entry, in bytes. */
export const NAME_BYTES_MAX = 255;
/** Longest symlink target, in bytes. */
export const TARGET_BYTES_MAX = 4095;
/** Deepest nesting of directories that is imported, ingested or rendered; the root directory is depth 1. */
export const TREE_DEPTH_MAX = 2048;
/** Length of a digest in bytes; in hex digits it is twice that. */
export const DIGEST_BYTES = 32;
