/*
Garbage collection: everything that no root and no lease needs is deleted, while readers, builds and imports go on.

It begins by adding one to the store's epoch. Every record carries the epoch in which it was last put or promised, so whatever was asked for
since the oldest living lease was opened, or since the collection began, says so by itself, and is looked at once more in the very transaction
that would delete it. What refers goes before what it refers to (gc-order.ts), so a promise always comes before the last moment at which its
object's own turn could come. Each transaction is short; to stop at any moment, or to be killed, is harmless.
*/

import { throwIfAborted } from "@firn/base";
import { bytesOfDigest, type Digest } from "@firn/castore";
import { parseStorePath, type StorePath } from "@firn/nix-compat";
import type { CheckoutSpace } from "./checkout-space.ts";
import { type GarbageOptions, type GarbageResult, StoreError } from "@firn/store";
import { LocalStoreError, storageError } from "./error.ts";
import { DigestTable } from "./digest-table.ts";
import { GcSweeper } from "./gc-sweeper.ts";
import { GcMarker, linksOf, sizeOf } from "./gc-marker.ts";
import type { LocalLeases } from "./local-leases.ts";
import { forgetDangling } from "./local-realisations.ts";
import type { LocalRoots } from "./local-roots.ts";
import { compactPacks } from "./pack-compaction.ts";
import type { PackWriter } from "./pack-writer.ts";
import type { Packs } from "./packs.ts";
import { identityOfSelf, mayBeAlive } from "./process-identity.ts";
import { type StoreIndex, textKey } from "./store-index.ts";
import { advanceEpoch } from "./epoch-clock.ts";

export type GcOptions = GarbageOptions & {
  /** Indirect roots that do not count, by their links: what a dry run is told of links that would be removed first. */
  readonly withoutLinks?: ReadonlySet<string>;
  /** Blobs to keep, asked for once the collection has begun. */
  readonly keptBlobs?: () => Iterable<Digest>;
  /** Deletes no other paths than these. Throws `alive` when one of them is needed. */
  readonly only?: readonly StorePath[];
  /** Roots do not count, and those of deleted paths are removed; what refers to something and leases still count. For `only`. */
  readonly ignoreRoots?: boolean;
};

export type GcPhase = "mark" | "paths" | "directories" | "blobs" | "chunks" | "files" | "packs";

export type GcParts = {
  readonly index: StoreIndex;
  readonly leases: LocalLeases;
  readonly roots: LocalRoots;
  readonly packs: Packs;
  readonly writer: PackWriter;
  readonly space: CheckoutSpace;
};

/** Members looked at in a row before others in this process get their turn. */
const ROW = 4096;
const OWNER_KEY = textKey("gc");

/** Collects garbage. Throws `busy` while another process does, `alive`, CastoreError `corrupt` when what is needed cannot be found out, or the signal's reason. */
export async function collectGarbage(parts: GcParts, options: GcOptions = {}): Promise<GarbageResult> {
  throwIfAborted(options.signal);
  const threshold = begin(parts);
  try {
    return await new Collection(parts, options, threshold).run();
  } finally {
    parts.index.write(() => {
      if (ownerOf(parts.index) === identityOfSelf()) parts.index.meta.removeSync(OWNER_KEY);
    });
  }
}

/** Claims the store for this collection. Yields the epoch from which on everything stays. */
function begin({ index, leases }: GcParts): number {
  const now = Math.floor(Date.now() / 1000);
  try {
    return index.write(() => {
      const owner = ownerOf(index);
      if (owner !== undefined && owner !== identityOfSelf() && mayBeAlive(owner)) {
        throw new StoreError("busy", `another process (${owner}) is collecting garbage in this store: wait for it`);
      }
      if (owner === identityOfSelf())
        throw new StoreError("busy", "this process is collecting garbage in this store already");
      index.meta.putSync(OWNER_KEY, textKey(identityOfSelf()));
      return Math.min(advanceEpoch(index, now), leases.oldestEpoch());
    });
  } catch (thrown) {
    throw storageError("beginning to collect garbage", thrown);
  }
}

function ownerOf(index: StoreIndex): string | undefined {
  const owner = index.meta.getBinary(OWNER_KEY);
  return owner === undefined ? undefined : Buffer.from(owner).toString("latin1");
}

class Collection {
  readonly #parts: GcParts;
  readonly #options: GcOptions;
  readonly #marker: GcMarker;
  readonly #sweeper: GcSweeper;

  constructor(parts: GcParts, options: GcOptions, threshold: number) {
    this.#parts = parts;
    this.#options = options;
    this.#marker = new GcMarker(parts.index);
    this.#sweeper = new GcSweeper(parts, this.#marker, threshold, options);
  }

  async run(): Promise<GarbageResult> {
    const marker = this.#marker;
    const sweeper = this.#sweeper;
    const startedAt = performance.now();
    const { withoutLinks, keptBlobs, ignoreRoots } = this.#options;
    for (const digest of keptBlobs?.() ?? []) marker.markBlob(bytesOfDigest(digest));
    for (const { link, path } of ignoreRoots ? [] : this.#parts.roots.listRoots())
      if (link === undefined || withoutLinks?.has(link) !== true) marker.markPath(Buffer.from(path.hashPart, "latin1"));
    const all = this.#allPaths();
    await this.#walk();
    const deadPaths = await sweeper.deadPaths(all);
    this.#checkOnly(deadPaths);
    await this.#limit(deadPaths);
    const deadDirectories = await sweeper.deadDirectories();
    const deadBlobs = await sweeper.deadBlobs();
    const markMs = performance.now() - startedAt;
    // Before the paths: a root of what is gone is damage.
    if (ignoreRoots && this.#options.dryRun !== true)
      await this.#parts.roots.removeRootsOf((path) => deadPaths.has(Buffer.from(path.hashPart, "latin1")));
    const dead = await sweeper.sweepPaths(deadPaths);
    if (this.#options.dryRun !== true) forgetDangling(this.#parts.index);
    await sweeper.sweepDirectories(deadDirectories);
    await sweeper.sweepBlobs(deadBlobs);
    await sweeper.sweepChunks(deadBlobs);
    if (this.#options.dryRun !== true) await this.#giveBack();
    const { directories, blobs, chunks, freedBytes } = sweeper.removed;
    const livePaths = all.size - dead.length;
    return { deadPaths: dead.map(parseStorePath), livePaths, directories, blobs, chunks, freedBytes, markMs };
  }

  /** Every registered path; marks those that are kept by what the caller asked for. */
  #allPaths(): DigestTable {
    const { index } = this.#parts;
    const { registeredBefore, only } = this.#options;
    const chosen = only === undefined ? undefined : new Set(only.map(({ hashPart }) => hashPart));
    const all = new DigestTable(sizeOf(index.pathInfos));
    for (const key of index.pathInfos.getKeys()) {
      const hashPart = key as Buffer;
      all.add(hashPart);
      if (chosen !== undefined && !chosen.has(hashPart.toString("latin1"))) this.#marker.markPath(hashPart);
      if (registeredBefore === undefined) continue;
      const record = index.pathInfos.getBinaryFast(hashPart);
      if (record !== undefined && linksOf(record).registeredAt >= registeredBefore) this.#marker.markPath(hashPart);
    }
    return all;
  }

  async #walk(): Promise<void> {
    while (!this.#marker.walk(ROW)) {
      const done = this.#marker.paths.size + this.#marker.directories.size;
      this.#options.onProgress?.({ phase: "mark", done });
      await this.#pause();
    }
  }

  #checkOnly(dead: DigestTable): void {
    for (const path of this.#options.only ?? []) {
      const key = Buffer.from(path.hashPart, "latin1");
      if (dead.has(key) || this.#parts.index.pathInfos.getBinaryFast(key) === undefined) continue;
      throw new LocalStoreError("alive", `${path} is still needed by a root, a lease or a path that refers to it`, {
        context: { path: path.toString() },
      });
    }
  }

  /** Marks what is beyond the limit on bytes. Paths go in the order in which they would be deleted. */
  async #limit(dead: DigestTable): Promise<void> {
    const { maxFreedBytes } = this.#options;
    if (maxFreedBytes === undefined) return;
    const key = Buffer.alloc(32);
    let bytes = 0;
    for (const number of this.#sweeper.orderOfPaths(dead).numbers) {
      const record = this.#parts.index.pathInfos.getBinaryFast(dead.copyKey(number, key));
      if (bytes >= maxFreedBytes) this.#marker.markPath(key);
      else if (record !== undefined) bytes += linksOf(record).narSize;
    }
    await this.#walk();
  }

  /** What is recorded no more is given back to the disk: files that showed it, chunks with their packs. */
  async #giveBack(): Promise<void> {
    const { signal, onProgress } = this.#options;
    onProgress?.({ phase: "files", done: 0 });
    await this.#parts.space.removeOrphans(signal);
    await this.#parts.space.trim(signal);
    onProgress?.({ phase: "packs", done: 0 });
    await compactPacks(this.#parts, signal === undefined ? {} : { signal });
  }

  async #pause(): Promise<void> {
    await new Promise(setImmediate);
    throwIfAborted(this.#options.signal);
  }
}
