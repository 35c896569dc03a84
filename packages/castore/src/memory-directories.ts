/*
Directories in memory, whole objects in a map: they are immutable, so they can be handed out as they are.
*/

import { throwIfAborted } from "@firn/base";
import type { Directory } from "./directory.ts";
import { walkDirectories } from "./directory-graph.ts";
import type { DirectoryPutter, DirectoryService, DirectoryServiceSupports } from "./directory-service.ts";
import { GraphPutter } from "./graph-putter.ts";
import type { CallOptions } from "./lease.ts";
import { MemoryLeases } from "./memory-leases.ts";
import type { Digest } from "./node.ts";

export class MemoryDirectories implements DirectoryService {
  readonly supports: DirectoryServiceSupports = { write: true, everyDirectory: true };
  readonly #directories = new Map<Digest, Directory>();
  readonly #leases: MemoryLeases;

  constructor(leases = new MemoryLeases()) {
    this.#leases = leases;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#begin(options);
    return this.#directories.has(digest);
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    this.#begin(options);
    return this.#directories.get(digest);
  }

  async put(directory: Directory, options?: CallOptions): Promise<Digest> {
    const putter = this.openPut(options);
    await putter.put(directory);
    return putter.close();
  }

  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory> {
    this.#begin(options);
    return walkDirectories(root, async (digest) => this.#directories.get(digest), options?.signal);
  }

  openPut(options?: CallOptions): DirectoryPutter {
    this.#begin(options);
    return new GraphPutter({
      stored: async (digest) => this.#directories.get(digest),
      keep: async (directories) => {
        for (const directory of directories) this.#directories.set(directory.digest, directory);
      },
      signal: options?.signal,
    });
  }

  #begin(options: CallOptions | undefined): void {
    throwIfAborted(options?.signal);
    this.#leases.check(options);
  }
}
