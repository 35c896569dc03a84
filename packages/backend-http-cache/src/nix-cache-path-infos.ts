/*
A binary cache as path infos, for compositions: whoever asks for a path gets its contents as well, into the services it was made with. For a whole closure
store's Substitution is the better way.
*/

import type { CallOptions, CastoreServices } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import {
  checkContentAddress,
  isTrusted,
  pathInfoOf,
  type PathInfo,
  type PathInfoService,
  type PathInfoServiceSupports,
  StoreError,
  type TrustedKeys,
} from "@firn/store";
import type { NixCache } from "./nix-cache.ts";

export type NixCachePathInfosParts = {
  readonly cache: NixCache;
  /** Where contents go. */
  readonly contents: CastoreServices;
  /** undefined: no signatures are asked for. */
  readonly trusted: TrustedKeys | undefined;
  readonly storeDir: string;
  readonly now: () => number;
};

export class NixCachePathInfos implements PathInfoService {
  readonly supports: PathInfoServiceSupports = { write: false, list: false };
  readonly #parts: NixCachePathInfosParts;

  constructor(parts: NixCachePathInfosParts) {
    this.#parts = parts;
  }

  /** Throws `untrusted`, `mismatch`, or what keeps the cache from being read. */
  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    const { cache, contents, trusted, storeDir, now } = this.#parts;
    const signal = options?.signal;
    const offer = await cache.offer(hashPart, { signal });
    if (offer === undefined) return undefined;
    const { described } = offer;
    if (!(await isTrusted(described, trusted, storeDir)))
      throw new StoreError("untrusted", `no trusted key signed ${described.path} of ${cache.label}`);
    const node = await offer.take(contents, { signal, lease: options?.lease });
    const info = pathInfoOf(described, node, Math.floor(now() / 1000));
    await checkContentAddress(info, contents, { signal, storeDir, narIsVerified: true });
    return info;
  }

  async put(_infos: readonly PathInfo[]): Promise<void> {
    throw new StoreError("unsupported", `${this.#parts.cache.label} is written to by publishing`);
  }

  // biome-ignore lint/correctness/useYield: there is nothing to yield
  async *list(): AsyncGenerator<PathInfo, void> {
    throw new StoreError("unsupported", `${this.#parts.cache.label} cannot be listed`);
  }

  async referrers(_path: StorePath): Promise<readonly StorePath[]> {
    throw new StoreError("unsupported", `${this.#parts.cache.label} does not know referrers`);
  }
}
