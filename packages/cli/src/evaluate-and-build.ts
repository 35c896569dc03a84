/*
An expression built, as `build`, `shell` and `run` do: what the evaluation finds is built while it goes on looking.
*/

import type { Lease } from "@firn/castore";
import type { BuiltOutputs } from "@firn/glue";
import { instantiating } from "./derivations.ts";
import type { EvaluatedDerivation } from "./evaluator/job.ts";
import type { ExpressionOptions } from "./expression.ts";
import { Realiser, type RealiseOptions } from "./realise.ts";
import type { Session } from "./session.ts";

export type EvaluatedAndBuilt = {
  /** In the order they were found. */
  readonly derivations: readonly EvaluatedDerivation[];
  readonly built: BuiltOutputs;
};

/** All of it is held by `lease`. `check` hears how many derivations there are by now, and may throw. Throws EvalFailure and `BuildFailed`. */
export async function evaluateAndBuild(
  expression: ExpressionOptions,
  options: RealiseOptions,
  session: Session,
  lease: Lease,
  check: (found: number) => void = () => undefined,
): Promise<EvaluatedAndBuilt> {
  const stop = new AbortController();
  const signal = AbortSignal.any([session.signal, stop.signal]);
  using realiser = new Realiser(options, session, lease, signal);
  const derivations: EvaluatedDerivation[] = [];
  const batches = instantiating(expression, session, lease, realiser, signal);
  try {
    return { derivations, built: await realiser.realise(noted()) };
  } finally {
    stop.abort(new Error("the builds are over"));
    await batches.return();
  }

  async function* noted() {
    for await (const batch of batches) {
      derivations.push(...batch);
      check(derivations.length);
      yield batch;
    }
  }
}

/** The store paths of what was selected, in the order it was found. */
export function selectedPaths({ derivations, built }: EvaluatedAndBuilt): readonly string[] {
  return derivations.map(({ drvPath, outputName }) => built.get(drvPath)?.get(outputName) as string);
}
