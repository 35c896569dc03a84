/*
Path infos in memory, for tests and browsers, and as the near side of a cache, where it may be bounded and forget what was used longest ago.
*/

import { throwIfAborted } from "@firn/base";
import { type CallOptions, LruMap, MemoryLeases } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { mergeAll } from "./path-info-put.ts";
import type { PathInfo } from "./path-info.ts";
import type { PathInfoService, PathInfoServiceSupports } from "./path-info-service.ts";

export class MemoryPathInfos implements PathInfoService {
  readonly supports: PathInfoServiceSupports;
  readonly #infos: LruMap<string, PathInfo>;
  readonly #leases: MemoryLeases;

  /** Holds at most `countMax`, then forgets; any number when not said. */
  constructor(leases = new MemoryLeases(), countMax = Number.POSITIVE_INFINITY) {
    this.#leases = leases;
    const forgets = countMax < Number.POSITIVE_INFINITY;
    this.supports = { write: true, list: true, ...(forgets ? { forgets } : {}) };
    this.#infos = new LruMap(countMax);
  }

  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    this.#leases.begin(options);
    return this.#infos.get(hashPart);
  }

  async put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    this.#leases.begin(options);
    for (const info of mergeAll(infos, (hashPart) => this.#infos.get(hashPart)))
      this.#infos.set(info.path.hashPart, info, 1);
  }

  async *list(options?: CallOptions): AsyncGenerator<PathInfo, void> {
    this.#leases.begin(options);
    for (const info of this.#infos.values()) {
      throwIfAborted(options?.signal);
      yield info;
    }
  }

  async referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    this.#leases.begin(options);
    const found: StorePath[] = [];
    for (const info of this.#infos.values()) {
      if (!info.path.equals(path) && info.references.some((reference) => reference.equals(path))) found.push(info.path);
    }
    return found;
  }
}
