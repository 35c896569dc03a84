/*
Leases of services that live in memory: they delete nothing, so a lease only has to say whether it is still open.
*/

import { throwIfAborted } from "@firn/base";
import { CastoreError } from "./error.ts";
import type { CallOptions, Lease, LeaseService } from "./lease.ts";

export class MemoryLeases implements LeaseService {
  readonly #open = new Set<Lease>();
  #opened = 0;

  async openLease(label: string): Promise<Lease> {
    const id = `${++this.#opened}-${label}`;
    const release = async () => {
      this.#open.delete(lease);
    };
    const lease: Lease = { id, release, [Symbol.asyncDispose]: release };
    this.#open.add(lease);
    return lease;
  }

  /** To be called first by every call: throws the signal's reason, and `closed` when the lease is not open here, since nothing would hold what is told. */
  begin(options: CallOptions | undefined): void {
    throwIfAborted(options?.signal);
    const lease = options?.lease;
    if (lease === undefined || this.#open.has(lease)) return;
    throw new CastoreError("closed", `lease ${lease.id} is not open in this store`);
  }
}
