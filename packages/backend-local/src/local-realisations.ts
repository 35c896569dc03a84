/*
Realisations of the local store. They hold nothing and nothing holds them: a collection forgets those whose paths it deleted, and those that
cannot be read; one that led nowhere would be ignored by who asks for the path.
*/

import { FirnError, throwIfAborted } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import {
  decodeRealisation,
  encodeRealisation,
  mergeRealisations,
  type Realisation,
  realisationKey,
  type RealisationService,
  StoreError,
} from "@firn/store";
import type { Commits } from "./commits.ts";
import { storageProblem } from "./error.ts";
import type { LocalLeases } from "./local-leases.ts";
import { type StoreIndex, textKey } from "./store-index.ts";

const LIST_BATCH = 256;

export class LocalRealisations implements RealisationService {
  readonly #index: StoreIndex;
  readonly #commits: Commits;
  readonly #leases: LocalLeases;

  constructor(index: StoreIndex, commits: Commits, leases: LocalLeases) {
    this.#index = index;
    this.#commits = commits;
    this.#leases = leases;
  }

  async get(drvPath: StorePath, output: string, options?: CallOptions): Promise<Realisation | undefined> {
    this.#leases.begin(options);
    return readRealisation(this.#index, realisationKey(drvPath, output));
  }

  async put(realisations: readonly Realisation[], options?: CallOptions): Promise<void> {
    this.#leases.begin(options);
    const index = this.#index;
    try {
      await this.#commits.run(() => {
        for (const [key, kept] of mergeRealisations(realisations, (key) => readRealisation(index, key)))
          index.realisations.putSync(textKey(key), textKey(encodeRealisation(kept)));
      });
    } catch (thrown) {
      if (thrown instanceof FirnError) throw thrown;
      throw new StoreError("storage", `keeping realisations failed: ${storageProblem(thrown)}`, { cause: thrown });
    }
  }

  /** In steps, so that no read transaction is held open while the consumer thinks. */
  async *list(options?: CallOptions): AsyncGenerator<Realisation, void> {
    this.#leases.begin(options);
    for (let start: Buffer | undefined; ; ) {
      throwIfAborted(options?.signal);
      const batch: Realisation[] = [];
      for (const { key, value } of this.#index.realisations.getRange({ start, limit: LIST_BATCH }))
        batch.push(decoded(key, value));
      if (batch.length === 0) return;
      const { drvPath, output } = batch[batch.length - 1];
      start = textKey(`${realisationKey(drvPath, output)}\0`);
      yield* batch;
    }
  }
}

/** Forgets the realisations of paths that are not registered, and those that are damaged. */
export function forgetDangling(index: StoreIndex): void {
  const leadsNowhere = (key: Uint8Array, value: Uint8Array) => {
    try {
      return !index.pathInfos.doesExist(textKey(decoded(key, value).path.hashPart));
    } catch (thrown) {
      if (thrown instanceof FirnError) return true;
      throw thrown;
    }
  };
  const dangling: Uint8Array[] = [];
  for (const { key, value } of index.realisations.getRange()) {
    if (leadsNowhere(key, value)) dangling.push(Buffer.from(key));
  }
  if (dangling.length === 0) return;
  index.write(() => {
    for (const key of dangling) {
      // Looked at again: the path may have been built anew since.
      const value = index.realisations.getBinary(key);
      if (value !== undefined && leadsNowhere(key, value)) index.realisations.removeSync(key);
    }
  });
}

function readRealisation(index: StoreIndex, key: string): Realisation | undefined {
  const value = index.realisations.getBinary(textKey(key));
  return value && decodeRealisation(key, Buffer.from(value).toString("latin1"));
}

function decoded(key: Uint8Array, value: Uint8Array): Realisation {
  return decodeRealisation(Buffer.from(key).toString("latin1"), Buffer.from(value).toString("latin1"));
}
