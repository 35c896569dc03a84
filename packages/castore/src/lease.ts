/*
Leases. A lease is a session's claim on everything it put and on every positive `has` it was given: garbage collection
never sweeps what an open lease holds. Pass the lease to each call whose answer you rely on; release it when the roots
that matter are registered. A process that dies leaves a lease that its backend can recognise as stale.
*/

/** An open claim. Must be released; `await using` does. */
export interface Lease extends AsyncDisposable {
  /** Unique below one store. */
  readonly id: string;
  /** Ends the claim. Releasing twice is allowed and does nothing. */
  release(): Promise<void>;
}

export interface LeaseService {
  /** Opens a lease; `label` says for whom in listings ("build hello", "import ./src"). */
  openLease(label: string): Promise<Lease>;
}

/** What every castore and store call takes last. */
export type CallOptions = {
  /** Aborts the call; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Holds what this call puts, and what it confirms. */
  readonly lease?: Lease;
};

/** Options for another service than the one whose lease it is. */
export function withoutLease(options: CallOptions | undefined): CallOptions {
  return { signal: options?.signal };
}
