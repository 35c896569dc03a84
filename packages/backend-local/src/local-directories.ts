/*
Directories of the local store: their canonical encodings in the index, under their digests, checked again on every read.
*/

import {
  type CallOptions,
  CastoreError,
  type Digest,
  Directory,
  type DirectoryPutter,
  type DirectoryService,
  type DirectoryServiceSupports,
  GraphPutter,
  walkDirectories,
} from "@firn/castore";
import { type Commits, isHeld, WriteBatch } from "./commits.ts";
import type { LocalLeases } from "./local-leases.ts";
import { currentEpoch, epochAt, HEAD_BYTES, restamp } from "./record-head.ts";
import { digestKey, type StoreIndex } from "./store-index.ts";

const EMPTY_HEAD = new Uint8Array(HEAD_BYTES);

export class LocalDirectories implements DirectoryService {
  readonly supports: DirectoryServiceSupports = { write: true, everyDirectory: true };
  readonly #index: StoreIndex;
  readonly #commits: Commits;
  readonly #leases: LocalLeases;

  constructor(index: StoreIndex, commits: Commits, leases: LocalLeases) {
    this.#index = index;
    this.#commits = commits;
    this.#leases = leases;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#leases.begin(options);
    return isHeld(this.#index, this.#commits, [this.#index.directories], digest, options);
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    this.#leases.begin(options);
    return readDirectory(this.#index, digest);
  }

  async put(directory: Directory, options?: CallOptions): Promise<Digest> {
    const putter = this.openPut(options);
    await putter.put(directory);
    return putter.close();
  }

  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory> {
    this.#leases.begin(options);
    return walkDirectories(root, async (digest) => readDirectory(this.#index, digest), options?.signal);
  }

  openPut(options?: CallOptions): DirectoryPutter {
    this.#leases.begin(options);
    return new GraphPutter({
      stored: async (digest) => readDirectory(this.#index, digest),
      keep: async (directories) => keepDirectories(this.#index, directories),
      signal: options?.signal,
    });
  }
}

/** The directory, verified, or undefined. */
export function readDirectory(index: StoreIndex, digest: Digest): Directory | undefined {
  const bytes = index.directories.getBinary(digestKey(digest));
  return bytes === undefined ? undefined : Directory.decodeVerified(bytes.subarray(HEAD_BYTES), digest);
}

/**
 * Writes directories that come children first. Batches are committed in order, so when a crash cuts the row, every directory
 * that is there has its children.
 */
export function keepDirectories(index: StoreIndex, directories: Iterable<Directory>): void {
  const all = [...directories];
  holdChildren(index, all);
  const batch = new WriteBatch(index, "storing directories");
  const epoch = currentEpoch(index);
  for (const directory of all) {
    const key = digestKey(directory.digest);
    if (epochAt(index.directories, key) !== epoch) batch.put(index.directories, key, EMPTY_HEAD, directory.encoded);
  }
  batch.commit();
}

/** What these directories name and do not bring along must still be there, and stay. Throws `missing`. */
function holdChildren(index: StoreIndex, directories: readonly Directory[]): void {
  const coming = new Set<Digest>();
  const relied = new Set<Digest>();
  for (const directory of directories) {
    for (const { digest } of directory.children()) if (!coming.has(digest)) relied.add(digest);
    coming.add(directory.digest);
  }
  if (relied.size === 0) return;
  index.write(() => {
    const epoch = currentEpoch(index);
    for (const digest of relied) {
      if (restamp(index.directories, digestKey(digest), epoch)) continue;
      throw new CastoreError("missing", `directory ${digest} was collected while it was relied on: try again`, {
        context: { digest },
        retryable: true,
      });
    }
  });
}
