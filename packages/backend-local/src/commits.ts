/*
Writes to the index, in groups. `Commits` gathers what is asked for in one turn of the event loop into one transaction; `WriteBatch`
gathers the many small records of an import. Transactions run in the calling thread and are flushed when they return: a batch of
some megabytes takes as long as LMDB's own writer thread needs for it, and unlike there a failed commit (a full disk) is an
exception of the one who asked, after which the index is as it was and the next write may succeed.
*/

import type { CallOptions, Digest } from "@firn/castore";
import { storageError } from "./error.ts";
import { currentEpoch, isCurrent, restamp, stamp } from "./record-head.ts";
import { digestKey, type StoreIndex, type Table } from "./store-index.ts";

type Write = {
  readonly run: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
};

export class Commits {
  readonly #index: StoreIndex;
  #waiting: Write[] = [];

  constructor(index: StoreIndex) {
    this.#index = index;
  }

  /** Stores one record; resolves when it is durable. */
  put(table: Table, key: Buffer, value: Uint8Array): Promise<void> {
    return this.run(() => table.putSync(key, value));
  }

  /** Removes one record; resolves when that is durable. */
  remove(table: Table, key: Buffer): Promise<void> {
    return this.run(() => void table.removeSync(key));
  }

  /**
   * Calls `work` inside a write transaction shared with others and resolves with its result when that is durable. What `work` throws is
   * the answer for its caller alone, so it must throw before it writes anything.
   */
  run<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run: work, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#commit());
    });
  }

  /** Commits what waits, now. */
  flush(): void {
    if (this.#waiting.length > 0) this.#commit();
  }

  #commit(): void {
    const writes = this.#waiting;
    if (writes.length === 0) return;
    this.#waiting = [];
    const done: (() => void)[] = [];
    try {
      this.#index.write(() => {
        for (const { run, resolve, reject } of writes) {
          try {
            const value = run();
            done.push(() => resolve(value as never));
          } catch (thrown) {
            done.push(() => reject(thrown));
          }
        }
      });
    } catch (thrown) {
      for (const { reject } of writes) reject(thrown);
      return;
    }
    for (const answer of done) answer();
  }
}

const BATCH_BYTES = 8 << 20;
/** The arena of a batch that stays small, such as a trivial build's: the collector counts its bytes. */
const FIRST_BYTES = 32 << 10;
const BATCH_WRITES_MAX = 8192;
const PAGE_BYTES = 4096;

/** Many records with heads for few transactions. Values are copied into one arena, which is used again after each commit. */
export class WriteBatch {
  readonly #index: StoreIndex;
  readonly #doing: string;
  #arena = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #arenaUsed = 0;
  #valueBytes = 0;
  #tables: Table[] = [];
  #keys: Buffer[] = [];
  #values: Uint8Array[] = [];

  /** `doing` says what fails when a commit does: "importing a tree". */
  constructor(index: StoreIndex, doing: string) {
    this.#index = index;
    this.#doing = doing;
  }

  /**
   * Adds a record whose value is `head` followed by `body`; both are the caller's again on return. The first four bytes become the epoch of
   * the commit. Commits when the batch is full.
   */
  put(table: Table, key: Buffer, head: Uint8Array, body?: Uint8Array): void {
    const length = head.length + (body?.length ?? 0);
    if (this.#arenaUsed + length > this.#arena.length && this.#arena.length < BATCH_BYTES) {
      // Values that are waiting keep the small one.
      this.#arena = Buffer.allocUnsafeSlow(BATCH_BYTES);
      this.#arenaUsed = 0;
    }
    if (this.#arenaUsed + length > BATCH_BYTES || this.#keys.length === BATCH_WRITES_MAX) this.commit();
    let value: Uint8Array;
    if (length > BATCH_BYTES) value = new Uint8Array(length);
    else {
      value = this.#arena.subarray(this.#arenaUsed, this.#arenaUsed + length);
      this.#arenaUsed += length;
    }
    value.set(head);
    if (body !== undefined) value.set(body, head.length);
    this.#tables.push(table);
    this.#keys.push(key);
    this.#values.push(value);
    this.#valueBytes += length;
  }

  /** Makes all that was put durable. Throws `storage`, and then none of this batch is stored. */
  commit(): void {
    if (this.#keys.length === 0) return;
    const tables = this.#tables;
    const keys = this.#keys;
    const values = this.#values;
    this.#tables = [];
    this.#keys = [];
    this.#values = [];
    // Values, and about a page of the tree for each.
    const bytes = this.#valueBytes + keys.length * PAGE_BYTES;
    this.#valueBytes = 0;
    this.#arenaUsed = 0;
    // In the order of the tree, so that a page is touched once. Directories, which must not come before their children, are one transaction too.
    const order = Array.from(keys, (_, i) => i).sort((left, right) => Buffer.compare(keys[left], keys[right]));
    try {
      this.#index.write(() => {
        const epoch = currentEpoch(this.#index);
        for (const i of order) {
          stamp(values[i], epoch);
          tables[i].putSync(keys[i], values[i]);
        }
      }, bytes);
    } catch (thrown) {
      throw storageError(this.#doing, thrown);
    }
  }
}

/**
 * Whether one of the tables has a record under the digest. Under a lease the record is stamped with the current epoch first, in a
 * transaction, so that a yes stays true.
 */
export async function isHeld(
  index: StoreIndex,
  commits: Commits,
  tables: readonly Table[],
  digest: Digest,
  options: CallOptions | undefined,
): Promise<boolean> {
  const key = digestKey(digest);
  const table = tables.find((one) => one.doesExist(key));
  if (table === undefined || options?.lease === undefined) return table !== undefined;
  if (isCurrent(index, table, key)) return true;
  return commits.run(() => restamp(table, key, currentEpoch(index)));
}
