/*
The store's index: one LMDB environment with a few databases. Readers never wait; one writer at a time across all processes,
others queue in LMDB. `overlappingSync` is off, so what is visible is durable. Writes go through commits.ts.
*/

import { createRequire } from "node:module";
import { join } from "node:path";
import type { Database, RootDatabase } from "lmdb";
import { LocalStoreError, storageProblem } from "./error.ts";

/** Address space for the index, which bounds its size: it must be the same in all processes, and costs nothing until used. */
const MAP_BYTES = 2 ** 40;
const BINARY = { encoding: "binary", keyEncoding: "binary", cache: false } as const;

export type Table = Database<Uint8Array, Uint8Array>;

/** All databases have raw bytes as keys and values; docs/formats/local-store.md describes both. */
export class StoreIndex {
  readonly env: RootDatabase<Uint8Array, Uint8Array>;
  readonly blobs: Table;
  readonly directories: Table;
  readonly pathInfos: Table;
  readonly referrers: Table;
  readonly leases: Table;
  readonly roots: Table;
  readonly trees: Table;

  constructor(dir: string) {
    try {
      // Loaded here and not above: it takes longer than an evaluation that never looks into the store.
      const { open } = createRequire(import.meta.url)("lmdb") as typeof import("lmdb");
      this.env = open({ path: join(dir, "index"), maxDbs: 32, mapSize: MAP_BYTES, overlappingSync: false, ...BINARY });
      this.blobs = this.env.openDB({ name: "blobs", ...BINARY });
      this.directories = this.env.openDB({ name: "directories", ...BINARY });
      this.pathInfos = this.env.openDB({ name: "path-infos", ...BINARY });
      this.referrers = this.env.openDB({ name: "referrers", ...BINARY });
      this.leases = this.env.openDB({ name: "leases", ...BINARY });
      this.roots = this.env.openDB({ name: "roots", ...BINARY });
      this.trees = this.env.openDB({ name: "trees", ...BINARY });
    } catch (thrown) {
      throw new LocalStoreError("storage", `the store's index at ${dir} cannot be opened: ${storageProblem(thrown)}`, {
        cause: thrown,
      });
    }
  }

  async close(): Promise<void> {
    await this.env.close();
  }
}

/** The key of a digest: its 32 bytes. */
export function digestKey(digest: string): Buffer {
  return Buffer.from(digest, "hex");
}

/** A key or value that is ASCII or Latin-1 text. */
export function textKey(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
