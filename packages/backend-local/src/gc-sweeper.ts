/*
The half of a collection that deletes. For each kind of record one pass finds what no mark was set on, and one deletes it in short transactions,
asking again there: a record whose epoch is not older than the threshold was promised to somebody, so that it and all it needs is
marked instead. Chunks go last, those that no remaining blob names.
*/

import { throwIfAborted } from "@firn/base";
import { DIGEST_BYTES, scanChildren } from "@firn/castore";
import { HASH_PART_CHARS } from "@firn/nix-compat";
import { chunkListOf } from "./blob-record.ts";
import { decodeChunkRecord } from "./chunk-record.ts";
import { DigestTable } from "./digest-table.ts";
import { storageError } from "./error.ts";
import type { GcOptions, GcParts, GcPhase } from "./gc.ts";
import { type GcMarker, linksOf, sizeOf } from "./gc-marker.ts";
import { TopDown } from "./gc-order.ts";
import { narKeyOf } from "./local-nars.ts";
import { pathEpochAt } from "./path-epochs.ts";
import { epochAt, epochOf, HEAD_BYTES } from "./record-head.ts";
import { digestKey, type Table, textKey } from "./store-index.ts";

/** Records handled in one transaction, and how long it may take. */
const BATCH_RECORDS = 1024;
const BATCH_MS = 30;
/** Members looked at in a row before others in this process get their turn. */
const ROW = 4096;

/** What became of a record when its turn came. */
type Turn = "deleted" | "kept" | "promised";

export class GcSweeper {
  readonly removed = { directories: 0, blobs: 0, chunks: 0, freedBytes: 0 };
  readonly #parts: GcParts;
  readonly #marker: GcMarker;
  readonly #threshold: number;
  readonly #options: GcOptions;
  readonly #key = Buffer.alloc(DIGEST_BYTES);

  /** Records of the epoch `threshold` or later stay. */
  constructor(parts: GcParts, marker: GcMarker, threshold: number, options: GcOptions) {
    this.#parts = parts;
    this.#marker = marker;
    this.#threshold = threshold;
    this.#options = options;
  }

  /** Those of `all` paths that nothing needs. */
  async deadPaths(all: DigestTable): Promise<DigestTable> {
    const { index } = this.#parts;
    const { paths } = this.#marker;
    return this.#unmarked(all, paths, (key) => pathEpochAt(index, key));
  }

  async deadDirectories(): Promise<DigestTable> {
    const { directories } = this.#parts.index;
    return this.#unmarked(
      await this.#keysOf(directories),
      this.#marker.directories,
      (key) => epochAt(directories, key) ?? 0,
    );
  }

  async deadBlobs(): Promise<DigestTable> {
    const { blobs } = this.#parts.index;
    return this.#unmarked(await this.#keysOf(blobs), this.#marker.blobs, (key) => epochAt(blobs, key) ?? 0);
  }

  /** Referrers before what they refer to. */
  orderOfPaths(dead: DigestTable): ReturnType<TopDown["order"]> {
    const { pathInfos } = this.#parts.index;
    return new TopDown(dead, (number, visit) => {
      const record = pathInfos.getBinaryFast(dead.copyKey(number, this.#key));
      if (record === undefined) return;
      for (const reference of linksOf(record).references) {
        const child = dead.numberOf(Buffer.from(reference, "latin1"));
        if (child >= 0) visit(child);
      }
    }).order();
  }

  /** Deletes path infos; yields the base names of those that went. */
  async sweepPaths(dead: DigestTable): Promise<string[]> {
    const { index } = this.#parts;
    const gone: string[] = [];
    const { numbers, circleFrom } = this.orderOfPaths(dead);
    const isPromised = (key: Buffer) => pathEpochAt(index, key) >= this.#threshold;
    const remove = (key: Buffer): Turn => {
      const record = index.pathInfos.getBinaryFast(key);
      if (record === undefined) return "kept";
      const { path, references, node } = linksOf(record);
      gone.push(path);
      if (this.#options.dryRun) return "deleted";
      index.pathInfos.removeSync(key);
      index.pathEpochs.removeSync(key);
      index.nars.removeSync(narKeyOf(node));
      const hashPart = path.slice(0, HASH_PART_CHARS);
      for (const reference of references)
        index.referrers.removeSync(textKey(reference.slice(0, HASH_PART_CHARS) + hashPart));
      return "deleted";
    };
    await this.#sweep("paths", circleFrom, (at) => {
      const key = dead.copyKey(numbers[at], this.#key);
      if (this.#marker.paths.has(key)) return "kept";
      if (!isPromised(key)) return remove(key);
      this.#marker.markPath(key);
      return "promised";
    });
    await this.#sweepCircles(dead, numbers.subarray(circleFrom), isPromised, remove);
    return gone;
  }

  /** Paths that refer to each other in a circle go in one transaction: as soon as one of them is promised, others may be. */
  async #sweepCircles(
    dead: DigestTable,
    numbers: Int32Array,
    isPromised: (key: Buffer) => boolean,
    remove: (key: Buffer) => Turn,
  ): Promise<void> {
    if (numbers.length === 0) return;
    this.#transaction(() => {
      for (const number of numbers) {
        const key = dead.copyKey(number, this.#key);
        if (isPromised(key)) this.#marker.markPath(key);
      }
      this.#marker.walk(Number.POSITIVE_INFINITY);
      for (const number of numbers) {
        const key = dead.copyKey(number, this.#key);
        if (!this.#marker.paths.has(key)) remove(key);
      }
    });
  }

  async sweepDirectories(dead: DigestTable): Promise<void> {
    const { directories, trees } = this.#parts.index;
    const { numbers } = new TopDown(dead, (number, visit) => {
      const record = directories.getBinaryFast(dead.copyKey(number, this.#key));
      if (record === undefined) return;
      try {
        scanChildren(record, HEAD_BYTES, record.length, (kind, at) => {
          const child = kind === "directory" ? dead.numberOf(record, at) : -1;
          if (child >= 0) visit(child);
        });
      } catch {
        // What is damaged and not needed may go in any order.
      }
    }).order();
    await this.#sweep("directories", numbers.length, (at) => {
      const key = dead.copyKey(numbers[at], this.#key);
      if (this.#marker.directories.has(key)) return "kept";
      const record = directories.getBinaryFast(key);
      if (record === undefined) return "kept";
      if (epochOf(record) >= this.#threshold) {
        this.#marker.markDirectory(key);
        return "promised";
      }
      this.removed.directories++;
      this.removed.freedBytes += record.length;
      if (this.#options.dryRun) return "deleted";
      directories.removeSync(key);
      trees.removeSync(key);
      return "deleted";
    });
  }

  async sweepBlobs(dead: DigestTable): Promise<void> {
    const { blobs, outboards } = this.#parts.index;
    await this.#sweep("blobs", dead.size, (at) => {
      const key = dead.copyKey(at, this.#key);
      if (this.#marker.blobs.has(key)) return "kept";
      const record = blobs.getBinaryFast(key);
      if (record === undefined || epochOf(record) >= this.#threshold) return "kept";
      this.removed.blobs++;
      this.removed.freedBytes += record.length;
      if (this.#options.dryRun) return "deleted";
      blobs.removeSync(key);
      outboards.removeSync(key);
      return "deleted";
    });
  }

  /** Deletes the chunks that no remaining blob names and that are nobody's blob themselves. */
  async sweepChunks(dead: DigestTable): Promise<void> {
    const { blobs, chunks, outboards } = this.#parts.index;
    const candidates = await this.#keysOf(chunks);
    if (candidates.size === 0) return;
    const named = new DigestTable();
    let row = 0;
    for (const blob of blobs.getKeys()) {
      const key = blob as Buffer;
      // In a dry run the dead ones are there still.
      const isGone = this.#options.dryRun && dead.has(key) && !this.#marker.blobs.has(key);
      const record = isGone ? undefined : blobs.getBinaryFast(key);
      if (record !== undefined) for (const { digest } of chunkListOf(record)) named.add(digestKey(digest));
      if (++row % ROW === 0) await this.#pause();
    }
    await this.#sweep("chunks", candidates.size, (at) => {
      const key = candidates.copyKey(at, this.#key);
      if (named.has(key) || this.#marker.blobs.has(key)) return "kept";
      const record = chunks.getBinary(key);
      if (record === undefined || epochOf(record) >= this.#threshold) return "kept";
      this.removed.chunks++;
      this.removed.freedBytes += storedBytesOf(record);
      if (this.#options.dryRun) return "deleted";
      chunks.removeSync(key);
      outboards.removeSync(key);
      return "deleted";
    });
  }

  /** Members of `all` without a mark, after those that were promised got theirs. */
  async #unmarked(all: DigestTable, marked: DigestTable, epochOfKey: (key: Buffer) => number): Promise<DigestTable> {
    const unmarked = new DigestTable();
    for (let number = 0; number < all.size; number++) {
      const key = all.copyKey(number, this.#key);
      if (marked.has(key)) continue;
      if (epochOfKey(key) >= this.#threshold) marked.add(key);
      else unmarked.add(key);
      if (number % ROW === 0) await this.#pause();
    }
    await this.#walk();
    const dead = new DigestTable();
    for (let number = 0; number < unmarked.size; number++)
      if (!marked.has(unmarked.copyKey(number, this.#key))) dead.add(this.#key);
    return dead;
  }

  async #keysOf(table: Table): Promise<DigestTable> {
    const keys = new DigestTable(sizeOf(table));
    let row = 0;
    for (const key of table.getKeys()) {
      keys.add(key as Buffer);
      if (++row % ROW === 0) await this.#pause();
    }
    return keys;
  }

  /** Gives each of `count` members its turn. After one that was promised, all it needs is marked before the next one's turn. */
  async #sweep(phase: GcPhase, count: number, turn: (at: number) => Turn): Promise<void> {
    let at = 0;
    while (at < count) {
      let isPromised = false;
      this.#transaction(() => {
        const until = performance.now() + BATCH_MS;
        const end = Math.min(count, at + BATCH_RECORDS);
        while (at < end && !isPromised && performance.now() < until) isPromised = turn(at++) === "promised";
      });
      if (isPromised) await this.#walk();
      this.#options.onProgress?.({ phase, done: at, total: count });
      await this.#pause();
    }
  }

  #transaction(work: () => void): void {
    if (this.#options.dryRun) return work();
    try {
      this.#parts.index.write(work);
    } catch (thrown) {
      throw storageError("deleting garbage", thrown);
    }
  }

  async #walk(): Promise<void> {
    while (!this.#marker.walk(ROW)) await this.#pause();
  }

  async #pause(): Promise<void> {
    await new Promise(setImmediate);
    throwIfAborted(this.#options.signal);
  }
}

/** A damaged record frees nothing that is known. */
function storedBytesOf(record: Uint8Array): number {
  try {
    return decodeChunkRecord(record, "in a sweep").storedBytes;
  } catch {
    return 0;
  }
}
