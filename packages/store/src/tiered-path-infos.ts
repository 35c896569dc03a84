/*
Path infos from several sources in order of preference; the first that knows a path answers, one that fails is passed over. Writes, and leases with
them, go to the first that can be written.
*/

import { type CallOptions, firstAnswer } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import type { PathInfo } from "./path-info.ts";
import type { PathInfoService, PathInfoServiceSupports } from "./path-info-service.ts";

export class TieredPathInfos implements PathInfoService {
  readonly supports: PathInfoServiceSupports;
  readonly #sources: readonly PathInfoService[];
  readonly #writable: PathInfoService | undefined;

  /** In order of preference. */
  constructor(sources: readonly PathInfoService[]) {
    this.#sources = sources;
    this.#writable = sources.find(({ supports }) => supports.write);
    this.supports = { write: this.#writable !== undefined, list: sources.every(({ supports }) => supports.list) };
  }

  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    const ask = (source: PathInfoService, given?: CallOptions) => source.get(hashPart, given);
    return (await firstAnswer(this.#sources, ask, this.#writable, options))?.answer;
  }

  async put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    if (this.#writable === undefined) throw new StoreError("unsupported", "none of the sources can be written");
    await this.#writable.put(infos, options);
  }

  async *list(options?: CallOptions): AsyncGenerator<PathInfo, void> {
    const seen = new Set<string>();
    for (const source of this.#sources) {
      for await (const info of source.list(this.#optionsOf(source, options))) {
        if (seen.has(info.path.hashPart)) continue;
        seen.add(info.path.hashPart);
        yield info;
      }
    }
  }

  async referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    const byText = new Map<string, StorePath>();
    for (const source of this.#sources) {
      for (const found of await source.referrers(path, this.#optionsOf(source, options)))
        byText.set(found.toString(), found);
    }
    return [...byText.values()];
  }

  #optionsOf(source: PathInfoService, options?: CallOptions): CallOptions | undefined {
    return source === this.#writable ? options : { signal: options?.signal };
  }
}
