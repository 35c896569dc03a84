/*
The other end of a channel, and what it understands: Firn's own services, or castore.v1 and store.v1 under one of their names. It is asked once, when that
is first needed.
*/

import {
  bytesOfDigest,
  type CallOptions,
  CastoreError,
  EMPTY_DIGEST,
  type Lease,
  type LeaseService,
} from "@firn/castore";
import {
  CASTORE_METHODS,
  CONTENT_METHODS,
  type Dialect,
  HOLD_REQUEST,
  LEASE_METHODS,
  MISSING_REQUEST,
  STAT_BLOB_REQUEST,
} from "./castore-methods.ts";
import { ProtocolError } from "./error.ts";
import { LEASE_METADATA } from "./held-leases.ts";
import { callServerStream, callUnary, type Channel, type RpcMethod, type RpcOptions } from "./rpc.ts";
import { castoreErrorOf } from "./status.ts";

export type PeerKind = {
  readonly dialect: Dialect;
  /** It has Firn's services. */
  readonly isFirn: boolean;
};

export class Peer implements LeaseService, AsyncDisposable {
  readonly channel: Channel;
  readonly #leases = new Set<Lease>();
  #kind: Promise<PeerKind> | undefined;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  /** Rejects when the peer cannot be reached; the next call asks again. */
  kind(): Promise<PeerKind> {
    if (this.#kind === undefined) {
      const asking = this.#ask();
      this.#kind = asking;
      asking.catch(() => {
        this.#kind = undefined;
      });
    }
    return this.#kind;
  }

  async openLease(label: string): Promise<Lease> {
    const call = callServerStream(this.channel, LEASE_METHODS.hold, HOLD_REQUEST.make({ label }));
    const first = await call.next().catch((thrown: unknown) => {
      throw castoreErrorOf(thrown);
    });
    if (first.done) throw castoreErrorOf(new ProtocolError("internal", "a lease ended before it began"));
    const release = async () => {
      this.#leases.delete(lease);
      await call.return();
    };
    const lease: Lease = { id: first.value.leaseId, release, [Symbol.asyncDispose]: release };
    this.#leases.add(lease);
    return lease;
  }

  /** What a call of a service's says about the remote call. Throws `closed` for a lease that is not held there. */
  rpcOptions({ signal, lease }: CallOptions = {}): RpcOptions {
    if (lease === undefined) return { signal };
    if (this.#leases.has(lease)) return { signal, metadata: { [LEASE_METADATA]: lease.id } };
    throw new CastoreError("closed", `lease ${lease.id} is not open at ${this.channel.label}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel[Symbol.asyncDispose]();
  }

  async #ask(): Promise<PeerKind> {
    if (await this.#has(CONTENT_METHODS.missing, MISSING_REQUEST.make({}))) return { dialect: "snix", isFirn: true };
    const request = STAT_BLOB_REQUEST.make({ digest: bytesOfDigest(EMPTY_DIGEST) });
    for (const dialect of ["snix", "tvix"] as const)
      if (await this.#has(CASTORE_METHODS[dialect].stat, request)) return { dialect, isFirn: false };
    throw new ProtocolError("unimplemented", `${this.channel.label} serves no castore.v1 of Snix's or Tvix's`);
  }

  async #has<I, O>(method: RpcMethod<I, O>, input: I): Promise<boolean> {
    try {
      await callUnary(this.channel, method, input);
      return true;
    } catch (thrown) {
      if (!(thrown instanceof ProtocolError)) throw thrown;
      if (thrown.code === "unimplemented") return false;
      if (thrown.code === "not-found" || thrown.code === "invalid-argument") return true;
      throw thrown;
    }
  }
}
