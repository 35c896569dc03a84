/*
Path infos whose every call passes through an interceptor of castore's: for tracing, retrying and named errors.
*/

import { type CallOptions, type Interceptor, repeatable } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import type { PathInfo } from "./path-info.ts";
import type { PathInfoService, PathInfoServiceSupports } from "./path-info-service.ts";

/** What a path info counts for where bytes are counted. */
const COUNTED_BYTES = 0;

export class InterceptedPathInfos implements PathInfoService {
  readonly #inner: PathInfoService;
  readonly #interceptor: Interceptor;

  constructor(inner: PathInfoService, interceptor: Interceptor) {
    this.#inner = inner;
    this.#interceptor = interceptor;
  }

  get supports(): PathInfoServiceSupports {
    return this.#inner.supports;
  }

  get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    return this.#interceptor.call(repeatable("get", options, hashPart), () => this.#inner.get(hashPart, options));
  }

  put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    return this.#interceptor.call(repeatable("put", options), () => this.#inner.put(infos, options));
  }

  list(options?: CallOptions): AsyncIterable<PathInfo> {
    const inner = this.#inner;
    const seen = new Set<string>();
    async function* start(): AsyncGenerator<PathInfo, void> {
      for await (const info of inner.list(options)) {
        if (seen.has(info.path.hashPart)) continue;
        seen.add(info.path.hashPart);
        yield info;
      }
    }
    return this.#interceptor.stream(repeatable("list", options), start, () => COUNTED_BYTES);
  }

  referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    return this.#interceptor.call(repeatable("referrers", options, path.toString()), () =>
      this.#inner.referrers(path, options),
    );
  }
}
