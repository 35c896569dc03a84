/*
Realisations in SQLite, in store's encoding. Nothing deletes paths from such a store, so nothing forgets realisations.
*/

import { throwIfAborted } from "@firn/base";
import type { CallOptions, MemoryLeases } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import {
  checkRealisation,
  decodeRealisation,
  encodeRealisation,
  mergeRealisation,
  type Realisation,
  realisationKey,
  type RealisationService,
} from "@firn/store";
import type { SqliteFile } from "./sqlite-file.ts";

/** Rows read at a time while listing, so that a slow consumer holds nothing. */
const PAGE = 500;

export class SqliteRealisations implements RealisationService {
  readonly #file: SqliteFile;
  readonly #leases: MemoryLeases;

  constructor(file: SqliteFile, leases: MemoryLeases) {
    this.#file = file;
    this.#leases = leases;
  }

  async get(drvPath: StorePath, output: string, options?: CallOptions): Promise<Realisation | undefined> {
    this.#leases.begin(options);
    return this.#read(realisationKey(drvPath, output));
  }

  async put(realisations: readonly Realisation[], options?: CallOptions): Promise<void> {
    this.#leases.begin(options);
    realisations.forEach(checkRealisation);
    await this.#file.write("keeping realisations", () => {
      for (const realisation of realisations) {
        const key = realisationKey(realisation.drvPath, realisation.output);
        const kept = mergeRealisation(this.#read(key), realisation);
        const sql =
          "insert into realisations(key, encoded) values (?, ?) on conflict(key) do update set encoded = excluded.encoded";
        this.#file.run(sql, key, encodeRealisation(kept));
      }
    });
  }

  async *list(options?: CallOptions): AsyncGenerator<Realisation, void> {
    this.#leases.begin(options);
    for (let after = ""; ; ) {
      throwIfAborted(options?.signal);
      const sql = "select key, encoded from realisations where key > ? order by key limit ?";
      const rows = this.#file.all(sql, after, PAGE);
      for (const { key, encoded } of rows) yield decodeRealisation(key as string, encoded as string);
      if (rows.length < PAGE) return;
      after = rows[rows.length - 1].key as string;
    }
  }

  #read(key: string): Realisation | undefined {
    const row = this.#file.get("select encoded from realisations where key = ?", key);
    return row && decodeRealisation(key, row.encoded as string);
  }
}
