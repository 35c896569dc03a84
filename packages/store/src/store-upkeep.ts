/*
What keeps a store in order: roots, which say what must stay, and the collection of everything that nothing needs. Only stores that delete have it.
*/

import type { StorePath } from "@firn/nix-compat";

/** What holds a path, and all it refers to, whoever else needs it. */
export type Root = {
  /** What it was added as; undefined for an indirect root. */
  readonly name?: string;
  /** The link on the store's host, for an indirect root. */
  readonly link?: string;
  readonly path: StorePath;
};

export const ROOT_NAME_CHARS_MAX = 200;

export interface RootService {
  /** All roots, indirect ones only while their link is there and leads to their path. */
  listRoots(): readonly Root[] | Promise<readonly Root[]>;

  /** Holds a registered path under a name; the same name again holds the new path instead. Throws `invalid-root`. */
  addRoot(name: string, path: StorePath): Promise<void>;

  /** Removes a named root; one that is not there is no error. */
  removeRoot(name: string): Promise<void>;

  /** Removes an indirect root; the link itself stays. One that is not there is no error. */
  removeIndirectRoot(link: string): Promise<void>;
}

export type GarbageOptions = {
  /** Finds out what would be deleted and deletes nothing. */
  readonly dryRun?: boolean;
  /** Keeps the rest once the NARs of deleted paths add up to this many bytes. */
  readonly maxFreedBytes?: number;
  /** Keeps paths that were registered at this time or later, in seconds since 1970. */
  readonly registeredBefore?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: GarbageProgress) => void;
};

/** For displays: how much of a phase (a word) is done; `total` is undefined while that is not known. */
export type GarbageProgress = { readonly phase: string; readonly done: number; readonly total?: number };

export type GarbageResult = {
  /** Paths that were deleted, or would be. */
  readonly deadPaths: readonly StorePath[];
  readonly livePaths: number;
  readonly directories: number;
  readonly blobs: number;
  readonly chunks: number;
  /** Bytes that the deleted records and chunks took in the store. */
  readonly freedBytes: number;
  /** How long it took to find out what is needed, in milliseconds. */
  readonly markMs: number;
};

export interface StoreUpkeep {
  readonly roots: RootService;

  /** Deletes what no root and no lease needs, while everything else goes on. To stop at any moment is harmless. Throws `busy` while another collection runs. */
  collectGarbage(options?: GarbageOptions): Promise<GarbageResult>;
}
