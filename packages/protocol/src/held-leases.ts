/*
Leases that callers hold: each lives as long as the call that opened it, so a caller that dies, or a connection that breaks, lets go of it without a clock.
Other calls name it in their metadata.
*/

import { type CallOptions, CastoreError, type Lease, type LeaseService } from "@firn/castore";
import { HOLD_RESPONSE, LEASE_METHODS } from "./castore-methods.ts";
import { ProtocolError } from "./error.ts";
import { type RpcContext, type RpcHandler, serverStream } from "./rpc.ts";

export const LEASE_METADATA = "firn-lease";
const LABEL_CHARS_MAX = 200;
const LEASES_MAX = 10_000;

export class HeldLeases {
  readonly #service: LeaseService;
  readonly #held = new Map<string, Lease>();

  constructor(service: LeaseService) {
    this.#service = service;
  }

  /** What the services below take: the call's signal, and the lease it names. Throws castore's `closed` when that is not held. */
  optionsOf(context: RpcContext): CallOptions {
    const { signal } = context;
    const id = context.metadata(LEASE_METADATA);
    if (id === undefined) return { signal };
    const lease = this.#held.get(id);
    if (lease === undefined) throw new CastoreError("closed", "the lease is not held any more");
    return { signal, lease };
  }

  handlers(): readonly RpcHandler[] {
    const service = this.#service;
    const held = this.#held;
    async function* hold(label: string, signal: AbortSignal) {
      if (held.size >= LEASES_MAX) throw new ProtocolError("resource-exhausted", `${LEASES_MAX} leases are held`);
      await using lease = await service.openLease(label.slice(0, LABEL_CHARS_MAX));
      held.set(lease.id, lease);
      try {
        yield HOLD_RESPONSE.make({ leaseId: lease.id });
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      } finally {
        held.delete(lease.id);
      }
    }
    return [serverStream(LEASE_METHODS.hold, ({ label }, { signal }) => hold(label, signal))];
  }
}
