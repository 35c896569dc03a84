/*
Path infos of a far place, kept near with their closures once they were asked for. A near side that insists on having the contents, as Firn's own
store does, keeps them only when these came near before: a cache of contents beside it fills at its own pace. Writes go to the near side, or to the far one where
the near one forgets; leases go near. Listing and
referrers are answered by both together.
*/

import { type CallOptions, farOptions, SingleFlight } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { closureOf } from "./closure.ts";
import { StoreError } from "./error.ts";
import type { PathInfo } from "./path-info.ts";
import type { PathInfoService, PathInfoServiceSupports } from "./path-info-service.ts";

export class CachedPathInfos implements PathInfoService {
  readonly #near: PathInfoService;
  readonly #far: PathInfoService;
  readonly #filling = new SingleFlight<string, PathInfo | undefined>();

  constructor(near: PathInfoService, far: PathInfoService) {
    this.#near = near;
    this.#far = far;
  }

  get supports(): PathInfoServiceSupports {
    const { write, forgets } = (this.#near.supports.forgets ? this.#far : this.#near).supports;
    const list = this.#near.supports.list && this.#far.supports.list;
    return { write, list, ...(forgets ? { forgets } : {}) };
  }

  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    const there = await this.#near.get(hashPart, options);
    if (there !== undefined) return there;
    return this.#filling.run(
      hashPart,
      (signal) => this.#fill(hashPart, { signal, lease: options?.lease }),
      options?.signal,
    );
  }

  /** References may be far only: they are brought near first. */
  async put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    if (this.#near.supports.forgets) return await this.#far.put(infos, farOptions(options));
    for (const info of infos) {
      for (const reference of info.references) await this.get(reference.hashPart, options);
    }
    await this.#near.put(infos, options);
  }

  async *list(options?: CallOptions): AsyncGenerator<PathInfo, void> {
    const seen = new Set<string>();
    for (const [side, given] of [
      [this.#near, options],
      [this.#far, farOptions(options)],
    ] as const) {
      for await (const info of side.list(given)) {
        if (seen.has(info.path.hashPart)) continue;
        seen.add(info.path.hashPart);
        yield info;
      }
    }
  }

  async referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    const both = [
      ...(await this.#near.referrers(path, options)),
      ...(await this.#far.referrers(path, farOptions(options))),
    ];
    return [...new Map(both.map((one) => [one.toString(), one])).values()];
  }

  async #fill(hashPart: string, options: CallOptions): Promise<PathInfo | undefined> {
    const info = await this.#far.get(hashPart, farOptions(options));
    if (info === undefined) return undefined;
    const isNear = async (path: StorePath) => (await this.#near.get(path.hashPart, options)) !== undefined;
    const closure = await closureOf([info.path], this.#far, {
      signal: options.signal,
      skip: (path) => !path.equals(info.path) && isNear(path),
    });
    try {
      await this.#near.put(closure, options);
    } catch (thrown) {
      // Without the contents it is asked for far again, which is no less true.
      if (!(thrown instanceof StoreError) || thrown.code !== "missing") throw thrown;
    }
    return info;
  }
}
