/*
The store's index: one LMDB environment with a few databases. Readers never wait; one writer at a time across all processes,
others queue in LMDB. `overlappingSync` is off, so what is visible is durable. Writes go through commits.ts.
*/

import { statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Database, RootDatabase } from "lmdb";
import { LocalStoreError, storageProblem } from "./error.ts";

/** Address space for the index, which bounds its size: it must be the same in all processes, and costs nothing until used. */
const MAP_BYTES = 2 ** 40;
/** What a transaction of a few records may take. */
const WRITE_BYTES = 1024 * 1024;
const BINARY = { encoding: "binary", keyEncoding: "binary", cache: false } as const;

export type Table = Database<Uint8Array, Uint8Array>;

/** All databases have raw bytes as keys and values; docs/formats/local-store.md describes both. */
export class StoreIndex {
  readonly #dir: string;
  readonly env: RootDatabase<Uint8Array, Uint8Array>;
  readonly meta: Table;
  readonly blobs: Table;
  readonly chunks: Table;
  readonly packs: Table;
  readonly directories: Table;
  readonly pathInfos: Table;
  readonly pathEpochs: Table;
  readonly referrers: Table;
  readonly realisations: Table;
  readonly leases: Table;
  readonly roots: Table;
  readonly trees: Table;
  readonly outboards: Table;
  readonly nars: Table;
  readonly stats: Table;

  constructor(dir: string) {
    this.#dir = dir;
    try {
      // Loaded here and not above: it takes longer than an evaluation that never looks into the store.
      const { open } = createRequire(import.meta.url)("lmdb") as typeof import("lmdb");
      this.env = open({ path: join(dir, "index"), maxDbs: 32, mapSize: MAP_BYTES, overlappingSync: false, ...BINARY });
      this.meta = this.env.openDB({ name: "meta", ...BINARY });
      this.chunks = this.env.openDB({ name: "chunks", ...BINARY });
      this.packs = this.env.openDB({ name: "packs", ...BINARY });
      this.outboards = this.env.openDB({ name: "outboards", ...BINARY });
      this.nars = this.env.openDB({ name: "nars", ...BINARY });
      this.stats = this.env.openDB({ name: "seen", ...BINARY });
      this.blobs = this.env.openDB({ name: "blobs", ...BINARY });
      this.directories = this.env.openDB({ name: "directories", ...BINARY });
      this.pathInfos = this.env.openDB({ name: "path-infos", ...BINARY });
      this.pathEpochs = this.env.openDB({ name: "path-epochs", ...BINARY });
      this.referrers = this.env.openDB({ name: "referrers", ...BINARY });
      this.realisations = this.env.openDB({ name: "realisations", ...BINARY });
      this.leases = this.env.openDB({ name: "leases", ...BINARY });
      this.roots = this.env.openDB({ name: "roots", ...BINARY });
      this.trees = this.env.openDB({ name: "trees", ...BINARY });
    } catch (thrown) {
      throw new LocalStoreError("storage", `the store's index at ${dir} cannot be opened: ${storageProblem(thrown)}`, {
        cause: thrown,
      });
    }
  }

  /**
   * Runs `work` in a write transaction, which is durable on return. `bytes` is how much it may write, about: where the disk has less, it is
   * refused beforehand, because a commit that meets a full disk damages the memory of the process (the binding writes its message
   * into a buffer that is too short for it).
   */
  write<T>(work: () => T, bytes = WRITE_BYTES): T {
    const { bavail, bsize } = statfsSync(this.#dir);
    if (bavail * bsize < bytes) {
      const full = `the disk is full: the store's index needs ${bytes} bytes, ${bavail * bsize} are left`;
      throw Object.assign(new Error(full), { code: "ENOSPC" });
    }
    return this.env.transactionSync(work);
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
