/*
Directories in SQLite: canonical encodings under their digests, checked again on every read.
*/

import {
  bytesOfDigest,
  type CallOptions,
  type Digest,
  Directory,
  type DirectoryPutter,
  type DirectoryService,
  type DirectoryServiceSupports,
  GraphPutter,
  type MemoryLeases,
  walkDirectories,
} from "@firn/castore";
import type { SqliteFile } from "./sqlite-file.ts";

/** Directories written in one transaction, so that a large tree does not hold up others. Children come first, so a cut leaves whole trees. */
const BATCH = 2000;

export class SqliteDirectories implements DirectoryService {
  readonly supports: DirectoryServiceSupports = { write: true, everyDirectory: true };
  readonly #file: SqliteFile;
  readonly #leases: MemoryLeases;

  constructor(file: SqliteFile, leases: MemoryLeases) {
    this.#file = file;
    this.#leases = leases;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#leases.begin(options);
    return this.#file.get("select 1 from directories where digest = ?", bytesOfDigest(digest)) !== undefined;
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    this.#leases.begin(options);
    return this.#read(digest);
  }

  async put(directory: Directory, options?: CallOptions): Promise<Digest> {
    await using putter = this.openPut(options);
    await putter.put(directory);
    return await putter.close();
  }

  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory> {
    this.#leases.begin(options);
    return walkDirectories(root, async (digest) => this.#read(digest), options?.signal);
  }

  openPut(options?: CallOptions): DirectoryPutter {
    this.#leases.begin(options);
    return new GraphPutter({
      stored: async (digest) => this.#read(digest),
      keep: async (directories) => {
        const all = [...directories];
        for (let from = 0; from < all.length; from += BATCH) {
          await this.#file.write("storing directories", () => {
            for (const { digest, encoded } of all.slice(from, from + BATCH))
              this.#file.run(
                "insert or ignore into directories(digest, encoded) values (?, ?)",
                bytesOfDigest(digest),
                encoded,
              );
          });
        }
      },
      signal: options?.signal,
    });
  }

  #read(digest: Digest): Directory | undefined {
    const row = this.#file.get("select encoded from directories where digest = ?", bytesOfDigest(digest));
    return row && Directory.decodeVerified(row.encoded as Uint8Array, digest);
  }
}
