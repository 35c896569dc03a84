/*
Several sources in order of preference: the first that has something answers. One that fails is passed over, and its failure is reported only
when no other had the answer, since then nobody knows. Writes, and leases with them, go to the first one that can be written.
*/

import { FirnError, throwIfAborted } from "@firn/base";
import type { CallOptions } from "./lease.ts";

/** Whether a source's failure lets the next one be asked: any of its own, not a bug and not the caller's cancellation. */
function isPassable(thrown: unknown, signal: AbortSignal | undefined): boolean {
  return thrown instanceof FirnError && !signal?.aborted;
}

/** The answer of the first source that has one (not undefined, not false); `absent` when all said no. */
export async function firstAnswer<S, T>(
  sources: readonly S[],
  ask: (source: S, options: CallOptions | undefined) => Promise<T>,
  leaseHolder: S | undefined,
  options: CallOptions | undefined,
): Promise<{ readonly source: S; readonly answer: T } | undefined> {
  let failure: { readonly thrown: unknown } | undefined;
  for (const source of sources) {
    throwIfAborted(options?.signal);
    try {
      const answer = await ask(source, source === leaseHolder ? options : { signal: options?.signal });
      if (answer !== undefined && answer !== false) return { source, answer };
    } catch (thrown) {
      if (!isPassable(thrown, options?.signal)) throw thrown;
      failure ??= { thrown };
    }
  }
  if (failure !== undefined) throw failure.thrown;
  return undefined;
}

/**
 * A stream from the first source that has it. When it breaks the next one goes on; each start leaves out what came already, and its generator
 * returns whether the source had what was asked for.
 */
export async function* firstStream<T>(
  starts: readonly (() => AsyncGenerator<T, boolean>)[],
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void> {
  let failure: { readonly thrown: unknown } | undefined;
  for (const start of starts) {
    throwIfAborted(signal);
    try {
      if (yield* start()) return;
    } catch (thrown) {
      if (!isPassable(thrown, signal)) throw thrown;
      failure ??= { thrown };
    }
  }
  if (failure !== undefined) throw failure.thrown;
}
