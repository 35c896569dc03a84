/*
Realisations in memory, for tests and browsers.
*/

import { throwIfAborted } from "@firn/base";
import { type CallOptions, MemoryLeases } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import type { Realisation } from "./realisation.ts";
import { realisationKey } from "./realisation-codec.ts";
import { mergeRealisations } from "./realisation-put.ts";
import type { RealisationService } from "./realisation-service.ts";

export class MemoryRealisations implements RealisationService {
  readonly #known = new Map<string, Realisation>();
  readonly #leases: MemoryLeases;

  constructor(leases = new MemoryLeases()) {
    this.#leases = leases;
  }

  async get(drvPath: StorePath, output: string, options?: CallOptions): Promise<Realisation | undefined> {
    this.#leases.begin(options);
    return this.#known.get(realisationKey(drvPath, output));
  }

  async put(realisations: readonly Realisation[], options?: CallOptions): Promise<void> {
    this.#leases.begin(options);
    for (const [key, kept] of mergeRealisations(realisations, (key) => this.#known.get(key)))
      this.#known.set(key, kept);
  }

  async *list(options?: CallOptions): AsyncGenerator<Realisation, void> {
    this.#leases.begin(options);
    for (const realisation of this.#known.values()) {
      throwIfAborted(options?.signal);
      yield realisation;
    }
  }
}
