/*
Directories of a far place, kept near once they were asked for, always with all below them, since that is what having a directory promises. Only
those that are not near yet travel. Writes and leases go to the near side.
*/

import { farOptions } from "./cached-blobs.ts";
import type { Directory } from "./directory.ts";
import { walkDirectories } from "./directory-graph.ts";
import type { DirectoryPutter, DirectoryService, DirectoryServiceSupports } from "./directory-service.ts";
import { GraphPutter } from "./graph-putter.ts";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";
import { SingleFlight } from "./single-flight.ts";
import { transferDirectories } from "./transfer.ts";

export class CachedDirectories implements DirectoryService {
  readonly #near: DirectoryService;
  readonly #far: DirectoryService;
  readonly #filling = new SingleFlight<Digest, boolean>();

  constructor(near: DirectoryService, far: DirectoryService) {
    this.#near = near;
    this.#far = far;
  }

  get supports(): DirectoryServiceSupports {
    const { write, forgets } = (this.#near.supports.forgets ? this.#far : this.#near).supports;
    const { everyDirectory } = this.#near.supports;
    return { write, everyDirectory, ...(forgets ? { forgets } : {}) };
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return (await this.#near.has(digest, options)) || (await this.#far.has(digest, farOptions(options)));
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    const there = await this.#near.get(digest, options);
    if (there !== undefined) return there;
    if (!(await this.#fill(digest, options))) return undefined;
    return (await this.#near.get(digest, options)) ?? (await this.#far.get(digest, farOptions(options)));
  }

  /** One by one: a near side that forgets may have a root and not all below it. */
  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory> {
    return walkDirectories(root, (digest) => this.get(digest, options), options?.signal);
  }

  async put(directory: Directory, options?: CallOptions): Promise<Digest> {
    await using putter = this.openPut(options);
    await putter.put(directory);
    return await putter.close();
  }

  /** Children may be far only: they are brought near first. */
  openPut(options?: CallOptions): DirectoryPutter {
    if (this.#near.supports.forgets) return this.#far.openPut(farOptions(options));
    return new GraphPutter({
      stored: (digest) => this.get(digest, options),
      keep: async (directories) => {
        await using putter = this.#near.openPut(options);
        for (const directory of directories) await putter.put(directory);
        await putter.close();
      },
      signal: options?.signal,
    });
  }

  #fill(root: Digest, options?: CallOptions): Promise<boolean> {
    const fill = (signal: AbortSignal) =>
      transferDirectories(root, this.#far, this.#near, { signal, lease: options?.lease });
    return this.#filling.run(root, fill, options?.signal);
  }
}
