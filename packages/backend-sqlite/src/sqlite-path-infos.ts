/*
Path infos in SQLite, in store's encoding, with a table of referrers. Contents are not asked for, so it can be a cache's near side.
*/

import type { CallOptions, MemoryLeases } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import {
  decodePathInfo,
  encodePathInfo,
  mergeAll,
  type PathInfo,
  type PathInfoService,
  type PathInfoServiceSupports,
} from "@firn/store";
import type { SqliteFile } from "./sqlite-file.ts";

export class SqlitePathInfos implements PathInfoService {
  readonly supports: PathInfoServiceSupports = { write: true, list: true };
  readonly #file: SqliteFile;
  readonly #leases: MemoryLeases;

  constructor(file: SqliteFile, leases: MemoryLeases) {
    this.#file = file;
    this.#leases = leases;
  }

  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    this.#leases.begin(options);
    return this.#read(hashPart);
  }

  async put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    this.#leases.begin(options);
    await this.#file.write("registering paths", () => {
      for (const info of mergeAll(infos, (hashPart) => this.#read(hashPart))) {
        const { hashPart } = info.path;
        const sql =
          "insert into path_infos(hash_part, encoded) values (?, ?) on conflict(hash_part) do update set encoded = excluded.encoded";
        this.#file.run(sql, hashPart, encodePathInfo(info));
        for (const reference of info.references) {
          if (reference.hashPart !== hashPart)
            this.#file.run(
              "insert or ignore into reference(target, referrer) values (?, ?)",
              reference.hashPart,
              hashPart,
            );
        }
      }
    });
  }

  async *list(options?: CallOptions): AsyncGenerator<PathInfo, void> {
    this.#leases.begin(options);
    const sql = "select hash_part, encoded from path_infos where hash_part > ? order by hash_part limit ?";
    for (const { encoded } of this.#file.pages(sql, "hash_part", options?.signal))
      yield decodePathInfo(encoded as Uint8Array);
  }

  async referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    this.#leases.begin(options);
    const rows = this.#file.all("select referrer from reference where target = ?", path.hashPart);
    const paths: StorePath[] = [];
    for (const { referrer } of rows) {
      const info = this.#read(referrer as string);
      if (info !== undefined) paths.push(info.path);
    }
    return paths;
  }

  #read(hashPart: string): PathInfo | undefined {
    const row = this.#file.get("select encoded from path_infos where hash_part = ?", hashPart);
    return row && decodePathInfo(row.encoded as Uint8Array);
  }
}
