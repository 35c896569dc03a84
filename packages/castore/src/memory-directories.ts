/*
Directories in memory, whole objects in a map: they are immutable, so they can be handed out as they are. As the near side of a cache it may be bounded and
forget what was used longest ago; then having a directory promises nothing about those below it.
*/

import type { Directory } from "./directory.ts";
import { walkDirectories } from "./directory-graph.ts";
import type { DirectoryPutter, DirectoryService, DirectoryServiceSupports } from "./directory-service.ts";
import { GraphPutter } from "./graph-putter.ts";
import type { CallOptions } from "./lease.ts";
import { LruMap } from "./lru-map.ts";
import { MemoryLeases } from "./memory-leases.ts";
import type { Digest } from "./node.ts";

/** What a directory without entries takes in memory, about. */
const OBJECT_BYTES = 256;

export class MemoryDirectories implements DirectoryService {
  readonly supports: DirectoryServiceSupports;
  readonly #directories: LruMap<Digest, Directory>;
  readonly #leases: MemoryLeases;

  /** Forgets old ones when the encodings of all, and some for each, pass `bytesMax`; never when not said. */
  constructor(leases = new MemoryLeases(), bytesMax = Number.POSITIVE_INFINITY) {
    this.#leases = leases;
    const forgets = bytesMax < Number.POSITIVE_INFINITY;
    this.supports = { write: true, everyDirectory: true, ...(forgets ? { forgets } : {}) };
    this.#directories = new LruMap(bytesMax);
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#leases.begin(options);
    return this.#directories.get(digest) !== undefined;
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    this.#leases.begin(options);
    return this.#directories.get(digest);
  }

  async put(directory: Directory, options?: CallOptions): Promise<Digest> {
    const putter = this.openPut(options);
    await putter.put(directory);
    return putter.close();
  }

  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory> {
    this.#leases.begin(options);
    return walkDirectories(root, async (digest) => this.#directories.get(digest), options?.signal);
  }

  openPut(options?: CallOptions): DirectoryPutter {
    this.#leases.begin(options);
    return new GraphPutter({
      stored: async (digest) => this.#directories.get(digest),
      keep: async (directories) => {
        for (const directory of directories)
          this.#directories.set(directory.digest, directory, OBJECT_BYTES + directory.encoded.length);
      },
      signal: options?.signal,
    });
  }
}
