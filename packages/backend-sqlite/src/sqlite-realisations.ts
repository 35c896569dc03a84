/*
Realisations in SQLite, in store's encoding. Nothing deletes paths from such a store, so nothing forgets realisations.
*/

import type { CallOptions, MemoryLeases } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import {
  decodeRealisation,
  encodeRealisation,
  mergeRealisations,
  type Realisation,
  realisationKey,
  type RealisationService,
} from "@firn/store";
import type { SqliteFile } from "./sqlite-file.ts";

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
    await this.#file.write("keeping realisations", () => {
      for (const [key, kept] of mergeRealisations(realisations, (key) => this.#read(key))) {
        const sql =
          "insert into realisations(key, encoded) values (?, ?) on conflict(key) do update set encoded = excluded.encoded";
        this.#file.run(sql, key, encodeRealisation(kept));
      }
    });
  }

  async *list(options?: CallOptions): AsyncGenerator<Realisation, void> {
    this.#leases.begin(options);
    const sql = "select key, encoded from realisations where key > ? order by key limit ?";
    for (const { key, encoded } of this.#file.pages(sql, "key", options?.signal))
      yield decodeRealisation(key as string, encoded as string);
  }

  #read(key: string): Realisation | undefined {
    const row = this.#file.get("select encoded from realisations where key = ?", key);
    return row && decodeRealisation(key, row.encoded as string);
  }
}
