/*
Where directories live, named by the BLAKE3 digest of their canonical encoding.
*/

import type { Directory } from "./directory.ts";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";

export type DirectoryServiceSupports = {
  readonly write: boolean;
  /** False where only directories that were the root of a put can be asked for. */
  readonly everyDirectory: boolean;
  /** As BlobServiceSupports. */
  readonly forgets?: boolean;
};

export interface DirectoryService {
  readonly supports: DirectoryServiceSupports;

  /** Whether the directory is there. With a lease, a `true` holds the whole closure until the lease ends. */
  has(digest: Digest, options?: CallOptions): Promise<boolean>;

  /** The directory, verified against the digest, or undefined when absent. */
  get(digest: Digest, options?: CallOptions): Promise<Directory | undefined>;

  /** Stores one directory whose child directories must be there already. */
  put(directory: Directory, options?: CallOptions): Promise<Digest>;

  /** Every distinct directory below `root` once, parents before children; an empty stream when `root` is absent, an error `missing` when a child is. */
  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory>;

  /** A handle to put many directories, leaves first, as one. Must refuse a directory whose children were neither put before it on the handle nor stored. */
  openPut(options?: CallOptions): DirectoryPutter;
}

export interface DirectoryPutter extends AsyncDisposable {
  put(directory: Directory): Promise<void>;
  /** Makes all of them durable and visible and yields the digest of the last one, which must be the one root. Closing twice yields the same digest. */
  close(): Promise<Digest>;
  /** Forgets them. After `close()` it does nothing; it is what disposal does. */
  abort(): Promise<void>;
}
