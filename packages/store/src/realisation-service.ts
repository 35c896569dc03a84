/*
Where realisations live, asked for by derivation and output.
*/

import type { CallOptions } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import type { Realisation } from "./realisation.ts";

export interface RealisationService {
  /**
   * The realisation of one output, or undefined. That its path is still registered is for the caller to ask: a realisation holds nothing, and a
   * store that collects garbage forgets those of paths it deleted.
   */
  get(drvPath: StorePath, output: string, options?: CallOptions): Promise<Realisation | undefined>;

  /** Keeps all or none, durably. Of one output the newest counts; where its path is the same, signatures are merged. */
  put(realisations: readonly Realisation[], options?: CallOptions): Promise<void>;

  /** All of them, in no order. Must not hold the store up while the consumer is slow. */
  list(options?: CallOptions): AsyncIterable<Realisation>;
}
