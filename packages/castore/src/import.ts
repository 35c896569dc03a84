/*
Taking a tree from outside into castore. What walks the outside (a disk, a tar, a NAR) is a backend's; this is what they share: the
interface of an importer, and the observer that sees all contents on the way in, so that one pass serves storing, hashing and scanning.
*/

import type { ByteString } from "@firn/base";
import type { CallOptions } from "./lease.ts";
import type { Node } from "./node.ts";

/** Sees the contents of a tree while it is imported, files in no particular order and perhaps several at once. */
export interface ContentObserver {
  /** Called once per file; the result gets its bytes in order and may not keep the buffers. */
  file(): (bytes: Uint8Array) => void;
  symlink(target: ByteString): void;
}

/** Sees a tree while it is imported, depth first, entries in the order of the bytes of their names: the order of a NAR. */
export interface TreeObserver {
  startDirectory(): void;
  /** Names the node that comes next. */
  entry(name: ByteString): void;
  endDirectory(): void;
  symlink(target: ByteString): void;
  /** The result gets the file's bytes in order, as many as `size` says unless the import fails, and may not keep the buffers. */
  file(size: number, executable: boolean): (bytes: Uint8Array) => void;
}

export type ImportOptions = CallOptions & {
  readonly observer?: ContentObserver;
  readonly treeObserver?: TreeObserver;
  /** Called now and then with what was done so far, for progress displays. */
  readonly onProgress?: (done: { readonly files: number; readonly bytes: number }) => void;
  /** False leaves an entry out. Paths are relative to the root, `/` between names, never empty; a directory left out is not entered. */
  readonly filter?: (path: ByteString, kind: Node["kind"]) => boolean;
};

export interface TreeImporter {
  /** Stores the tree at an absolute host path and yields its root. Sockets, FIFOs and devices are refused by name (`unsupported-file`). Never follows a symlink. */
  importTree(hostPath: string, options?: ImportOptions): Promise<Node>;
}
