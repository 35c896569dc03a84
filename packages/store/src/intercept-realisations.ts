/*
Realisations whose every call passes through an interceptor of castore's: for tracing, retrying and named errors.
*/

import { type CallOptions, type Interceptor, repeatable } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import type { Realisation } from "./realisation.ts";
import { realisationKey } from "./realisation-codec.ts";
import type { RealisationService } from "./realisation-service.ts";

/** What a realisation counts for where bytes are counted. */
const COUNTED_BYTES = 0;

export class InterceptedRealisations implements RealisationService {
  readonly #inner: RealisationService;
  readonly #interceptor: Interceptor;

  constructor(inner: RealisationService, interceptor: Interceptor) {
    this.#inner = inner;
    this.#interceptor = interceptor;
  }

  get(drvPath: StorePath, output: string, options?: CallOptions): Promise<Realisation | undefined> {
    const call = repeatable("get", options, realisationKey(drvPath, output));
    return this.#interceptor.call(call, () => this.#inner.get(drvPath, output, options));
  }

  put(realisations: readonly Realisation[], options?: CallOptions): Promise<void> {
    return this.#interceptor.call(repeatable("put", options), () => this.#inner.put(realisations, options));
  }

  list(options?: CallOptions): AsyncIterable<Realisation> {
    const inner = this.#inner;
    const seen = new Set<string>();
    async function* start(): AsyncGenerator<Realisation, void> {
      for await (const realisation of inner.list(options)) {
        const key = realisationKey(realisation.drvPath, realisation.output);
        if (seen.has(key)) continue;
        seen.add(key);
        yield realisation;
      }
    }
    return this.#interceptor.stream(repeatable("list", options), start, () => COUNTED_BYTES);
  }
}
