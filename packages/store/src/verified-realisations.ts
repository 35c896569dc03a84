/*
Realisations from a source that is not trusted: passed on when a trusted key signed them. Nothing else vouches for one, not even that its path
follows from contents: it says which derivation these contents came out of.
*/

import type { CallOptions } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import type { Realisation } from "./realisation.ts";
import { realisationKey } from "./realisation-codec.ts";
import type { RealisationService } from "./realisation-service.ts";
import type { TrustedKeys } from "./signing.ts";

export class VerifiedRealisations implements RealisationService {
  readonly #inner: RealisationService;
  readonly #keys: TrustedKeys;

  constructor(inner: RealisationService, keys: TrustedKeys) {
    this.#inner = inner;
    this.#keys = keys;
  }

  /** Throws `untrusted`, or `mismatch` for an answer to another question. */
  async get(drvPath: StorePath, output: string, options?: CallOptions): Promise<Realisation | undefined> {
    const found = await this.#inner.get(drvPath, output, options);
    if (found === undefined) return undefined;
    const asked = realisationKey(drvPath, output);
    const key = realisationKey(found.drvPath, found.output);
    if (key !== asked) throw new StoreError("mismatch", `${asked} was asked for, ${key} came`);
    if (await this.#keys.vouchFor(found)) return found;
    throw new StoreError("untrusted", `no trusted key signed what ${key} came out as`, {
      context: { path: drvPath.toString(), output },
    });
  }

  put(realisations: readonly Realisation[], options?: CallOptions): Promise<void> {
    return this.#inner.put(realisations, options);
  }

  /** Those that are untrusted are left out. */
  async *list(options?: CallOptions): AsyncGenerator<Realisation, void> {
    for await (const realisation of this.#inner.list(options))
      if (await this.#keys.vouchFor(realisation)) yield realisation;
  }
}
