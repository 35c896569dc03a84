/*
From an expression to derivations in the store, which is where `instantiate` ends and `build` begins. The evaluation only computes; what
it wants stored is written when it has succeeded, so that a failed one leaves nothing behind; unless what it found is built meanwhile.
*/

import { assert, textOf } from "@firn/base";
import type { Lease } from "@firn/castore";
import type { PendingObject } from "@firn/glue";
import { CliError } from "./error.ts";
import type { EvaluatedDerivation } from "./evaluator/job.ts";
import { NodeFetcher } from "./node-fetcher.ts";
import { evaluate, type ExpressionOptions } from "./expression.ts";
import type { Realiser, RealiseOptions } from "./realise.ts";
import type { Session } from "./session.ts";

/** Evaluates to derivations and writes all they need to the store, held by `lease`; what is read is built as `realise` says. Throws `invalid-target` when there is none. */
export async function instantiate(
  expression: ExpressionOptions,
  session: Session,
  lease: Lease,
  realise?: RealiseOptions | Realiser,
): Promise<readonly EvaluatedDerivation[]> {
  const pending: PendingObject[] = [];
  const onPending = (objects: readonly PendingObject[]) => {
    for (const object of objects) pending.push(object);
  };
  const result = await evaluate(expression, { kind: "derivations" }, session, { onPending, wait: { lease, realise } });
  assert(result.kind === "derivations", "derivations were asked for");
  if (result.derivations.length === 0) throw noDerivations();
  await pendingWriter(session, lease)(pending);
  return result.derivations;
}

/**
 * Evaluates to derivations, which come in batches as they are found, each after what it needs was written to the store, held by `lease`; so that
 * building can begin before the evaluation is over. What the evaluation reads is built by `realiser`. When it fails, so does the iteration; when
 * the iteration ends early, or `signal` fires, so does the evaluation. Throws `invalid-target` when there is no derivation.
 */
export async function* instantiating(
  expression: ExpressionOptions,
  session: Session,
  lease: Lease,
  realiser: Realiser,
  signal: AbortSignal,
): AsyncGenerator<readonly EvaluatedDerivation[], void> {
  let pending: PendingObject[] = [];
  let found: EvaluatedDerivation[] = [];
  let more = Promise.withResolvers<void>();
  let count = 0;
  const stop = new AbortController();
  const evaluation = evaluate(expression, { kind: "derivations" }, session, {
    onPending: (objects) => {
      for (const object of objects) pending.push(object);
    },
    onDerivation: (derivation) => {
      found.push(derivation);
      count++;
      more.resolve();
    },
    wait: { lease, realise: realiser },
    signal: AbortSignal.any([signal, stop.signal]),
  });
  const over = evaluation.then(
    () => true,
    () => true,
  );
  const write = pendingWriter(session, lease);
  try {
    for (let isOver = false; !isOver; ) {
      isOver = await Promise.race([over, more.promise.then(() => false)]);
      more = Promise.withResolvers();
      const [objects, batch] = [pending, found];
      [pending, found] = [[], []];
      if (isOver) await evaluation; // throws what it failed with, and nothing more is written
      await write(objects);
      if (batch.length > 0) yield batch;
    }
    if (count === 0) throw noDerivations();
  } finally {
    stop.abort(new Error("nobody waits for the evaluation any more"));
    await over;
  }
}

function noDerivations(): CliError {
  return new CliError("invalid-target", "the expression has no derivations");
}

function pendingWriter(session: Session, lease: Lease): (pending: readonly PendingObject[]) => Promise<void> {
  const { config, signal } = session;
  const onProgress = copyProgress(session);
  const fetcher = new NodeFetcher();
  return async (pending) => {
    if (pending.length === 0) return;
    const { writePending } = await import("@firn/glue");
    const store = await session.openStore();
    await writePending(pending, store, {
      storeDir: config.storeDir,
      lease,
      signal,
      now: Date.now,
      onProgress,
      fetcher,
    });
  };
}

/** Names large copies as they begin; small ones are over before anyone could read it. */
function copyProgress({ output }: Session) {
  const bytesShown = 64 * 1024 * 1024;
  const named = new Set<string>();
  return ({ source }: { readonly source?: { readonly path: string; readonly bytes: number } }) => {
    if (source === undefined || source.bytes < bytesShown || named.has(source.path)) return;
    named.add(source.path);
    void output.note(`copying '${textOf(source.path)}' to the store …`);
  };
}
