/*
Realisations that are signed on their way in, with one's own keys.
*/

import type { CallOptions } from "@firn/castore";
import type { SecretKey, StorePath } from "@firn/nix-compat";
import { checkRealisation, type Realisation } from "./realisation.ts";
import type { RealisationService } from "./realisation-service.ts";
import { signRealisation } from "./signing.ts";

export class SigningRealisations implements RealisationService {
  readonly #inner: RealisationService;
  readonly #keys: readonly SecretKey[];

  constructor(inner: RealisationService, keys: readonly SecretKey[]) {
    this.#inner = inner;
    this.#keys = keys;
  }

  get(drvPath: StorePath, output: string, options?: CallOptions): Promise<Realisation | undefined> {
    return this.#inner.get(drvPath, output, options);
  }

  async put(realisations: readonly Realisation[], options?: CallOptions): Promise<void> {
    const signed: Realisation[] = [];
    realisations.forEach(checkRealisation);
    for (const realisation of realisations) signed.push(await signRealisation(realisation, this.#keys));
    await this.#inner.put(signed, options);
  }

  list(options?: CallOptions): AsyncIterable<Realisation> {
    return this.#inner.list(options);
  }
}
