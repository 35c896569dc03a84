/*
From an expression to derivations in the store, which is where `instantiate` ends and `build` begins. The evaluation only computes; what
it wants stored is written when it has succeeded, so that a failed one leaves nothing behind.
*/

import { assert, textOf } from "@firn/base";
import type { Lease } from "@firn/castore";
import type { PendingObject } from "@firn/glue";
import { CliError } from "./error.ts";
import type { EvaluatedDerivation } from "./evaluator/job.ts";
import { NodeFetcher } from "./node-fetcher.ts";
import { evaluate, type ExpressionOptions } from "./expression.ts";
import type { RealiseOptions } from "./realise.ts";
import type { Session } from "./session.ts";

/**
 * Evaluates to derivations and writes all they need to the store, held by `lease`; what the evaluation reads is built as `realise` says. Throws
 * `invalid-target` when there is none.
 */
export async function instantiate(
  expression: ExpressionOptions,
  session: Session,
  lease: Lease,
  realise?: RealiseOptions,
): Promise<readonly EvaluatedDerivation[]> {
  const { config, signal } = session;
  const pending: PendingObject[] = [];
  const onPending = (objects: readonly PendingObject[]) => {
    for (const object of objects) pending.push(object);
  };
  const waitOptions = realise === undefined ? { lease } : { lease, realise };
  const result = await evaluate(expression, { kind: "derivations" }, session, onPending, waitOptions);
  assert(result.kind === "derivations", "derivations were asked for");
  if (result.derivations.length === 0) throw new CliError("invalid-target", "the expression has no derivations");
  const { writePending } = await import("@firn/glue");
  const store = await session.openStore();
  const progress = copyProgress(session);
  await writePending(pending, store, {
    storeDir: config.storeDir,
    lease,
    signal,
    now: Date.now,
    onProgress: progress,
    fetcher: new NodeFetcher(),
  });
  return result.derivations;
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
