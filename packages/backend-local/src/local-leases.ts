/*
Leases on disk: a record each, naming the process that holds it, so that another process can tell a living claim from a dead one, and the epoch
in which it was opened. It does not list what it holds. What is put or promised under it carries an epoch that is not older, and a collection
keeps everything from the oldest living lease's epoch on, closures included.
*/

import { throwIfAborted } from "@firn/base";
import { CastoreError, type CallOptions, type Lease, type LeaseService } from "@firn/castore";
import type { Commits } from "./commits.ts";
import { epochForLease } from "./epoch-clock.ts";
import { storageError } from "./error.ts";
import { identityOfSelf, mayBeAlive } from "./process-identity.ts";
import { type StoreIndex, textKey } from "./store-index.ts";

const LABEL_CHARS_MAX = 200;

/** An open lease as a listing shows it. */
export type LeaseRecord = {
  readonly id: string;
  readonly label: string;
  /** Identity of the process that holds it (process-identity.ts). */
  readonly holder: string;
  /** Seconds since 1970. */
  readonly openedAt: number;
  /** The store's epoch when it was opened. */
  readonly epoch: number;
};

let opened = 0;

export class LocalLeases implements LeaseService {
  readonly #index: StoreIndex;
  readonly #commits: Commits;
  readonly #open = new Set<Lease>();

  constructor(index: StoreIndex, commits: Commits) {
    this.#index = index;
    this.#commits = commits;
  }

  async openLease(label: string): Promise<Lease> {
    const id = `${identityOfSelf()}-${++opened}`;
    const openedAt = Math.floor(Date.now() / 1000);
    const index = this.#index;
    const about = { id, label: label.slice(0, LABEL_CHARS_MAX), holder: identityOfSelf(), openedAt };
    try {
      await this.#commits.run(() => {
        const record: LeaseRecord = { ...about, epoch: epochForLease(index, openedAt) };
        index.leases.putSync(textKey(id), Buffer.from(JSON.stringify(record)));
      });
    } catch (thrown) {
      throw storageError("opening a lease", thrown);
    }
    const release = async () => {
      // On a full disk the record stays, and ends with the process: what was done under the lease is done nevertheless.
      if (this.#open.delete(lease)) await this.#forget(id).catch(() => undefined);
    };
    const lease: Lease = { id, release, [Symbol.asyncDispose]: release };
    this.#open.add(lease);
    return lease;
  }

  /** The leases of living processes. */
  list(): LeaseRecord[] {
    return this.#all().filter(({ holder }) => mayBeAlive(holder));
  }

  /** The epoch of the oldest lease of a living process, infinity when there is none. To be called inside a write transaction. */
  oldestEpoch(): number {
    // One without an epoch was opened by a Firn that knew of none, and holds everything.
    return this.list().reduce((oldest, { epoch }) => Math.min(oldest, epoch ?? 0), Number.POSITIVE_INFINITY);
  }

  /** Forgets the leases of dead processes. */
  async clean(): Promise<void> {
    for (const { id, holder } of this.#all()) if (!mayBeAlive(holder)) await this.#forget(id);
  }

  /** To be called first by every call: throws the signal's reason, and `closed` when the lease is not open here, since nothing would hold what is told. */
  begin(options: CallOptions | undefined): void {
    throwIfAborted(options?.signal);
    const lease = options?.lease;
    if (lease === undefined || this.#open.has(lease)) return;
    throw new CastoreError("closed", `lease ${lease.id} is not open in this store`);
  }

  async releaseAll(): Promise<void> {
    for (const lease of [...this.#open]) await lease.release();
  }

  async #forget(id: string): Promise<void> {
    try {
      await this.#commits.remove(this.#index.leases, textKey(id));
    } catch (thrown) {
      throw storageError("ending a lease", thrown);
    }
  }

  #all(): LeaseRecord[] {
    const records: LeaseRecord[] = [];
    for (const { value } of this.#index.leases.getRange())
      records.push(JSON.parse(Buffer.from(value).toString()) as LeaseRecord);
    return records;
  }
}
