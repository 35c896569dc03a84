/*
Leases that callers hold: each lives as long as the call that opened it, so a caller that dies, or a connection that breaks, lets go of it without a clock.
Other calls name it in their metadata.
*/

import { untilAborted } from "@firn/base";
import { type CallOptions, CastoreError, type Lease, type LeaseService } from "@firn/castore";
import { HOLD_RESPONSE, LEASE_METHODS } from "./castore-methods.ts";
import { ProtocolError } from "./error.ts";
import { type RpcContext, type RpcHandler, serverStream } from "./rpc.ts";

export const LEASE_METADATA = "firn-lease";
const LABEL_CHARS_MAX = 200;
const LEASES_MAX = 10_000;

export class HeldLeases {
  readonly #service: LeaseService | undefined;
  /** By the id that callers name. Without a service there is nothing to hold, and callers need not know. */
  readonly #held = new Map<string, Lease | undefined>();
  #opened = 0;

  /** Without a service nothing is ever deleted below. */
  constructor(service: LeaseService | undefined) {
    this.#service = service;
  }

  /** What the services below take: the call's signal, and the lease it names. Throws castore's `closed` when that is not held. */
  optionsOf(context: RpcContext): CallOptions {
    const { signal } = context;
    const id = context.metadata(LEASE_METADATA);
    if (id === undefined) return { signal };
    if (!this.#held.has(id)) throw new CastoreError("closed", "the lease is not held any more");
    const lease = this.#held.get(id);
    return lease === undefined ? { signal } : { signal, lease };
  }

  handlers(): readonly RpcHandler[] {
    return [serverStream(LEASE_METHODS.hold, ({ label }, { signal }) => this.#hold(label, signal))];
  }

  async *#hold(label: string, signal: AbortSignal) {
    if (this.#held.size >= LEASES_MAX) throw new ProtocolError("resource-exhausted", `${LEASES_MAX} leases are held`);
    await using lease = await this.#service?.openLease(label.slice(0, LABEL_CHARS_MAX));
    const leaseId = lease?.id ?? `none-${++this.#opened}`;
    this.#held.set(leaseId, lease);
    try {
      yield HOLD_RESPONSE.make({ leaseId });
      await untilAborted(signal);
    } finally {
      this.#held.delete(leaseId);
    }
  }
}
