/*
Derivations become outputs: what `build` does between the evaluation and the links. Failures of builders get their exit codes here.
*/

import type { Lease } from "@firn/castore";
import { buildDerivations, type BuiltOutputs, GlueError } from "@firn/glue";
import { isBelowStoreDir, parseAbsoluteStorePath } from "@firn/nix-compat";
import { BuildProgress, type ProgressOptions } from "./build-progress.ts";
import { type BuilderOptions, buildPartsOf, openBuilder } from "./builder.ts";
import { BuildFailed, EXIT } from "./error.ts";
import type { EvaluatedDerivation } from "./evaluator/job.ts";
import type { Session } from "./session.ts";

export type RealiseOptions = BuilderOptions &
  ProgressOptions & {
    /** How many cores a builder is told to use. */
    readonly cores: number;
    readonly buildSpaceBytes: number | undefined;
    readonly timeoutMs: number | undefined;
    readonly silenceMs: number | undefined;
    readonly keepGoing: boolean;
  };

/** Makes sure that the output each derivation was selected for is in the store, held by `lease`. Throws `BuildFailed`. */
export async function realise(
  derivations: readonly EvaluatedDerivation[],
  options: RealiseOptions,
  session: Session,
  lease: Lease,
): Promise<BuiltOutputs> {
  const { config, output, signal } = session;
  const known = await findBuilt(derivations, session, lease);
  if (known !== undefined) return known;
  const buildService = await openBuilder(options, session);
  const targets = derivations.map(({ drvPath, outputName }) => ({ drvPath, outputs: [outputName] }));
  const parts = await buildPartsOf(buildService, session);
  const progress = new BuildProgress(output, options);
  const failures: GlueError[] = [];
  try {
    return await buildDerivations(targets, parts, {
      ...options,
      signal,
      lease,
      impureEnv: new Map(Object.entries(config.environment)),
      onEvent: (event) => {
        if (event.type === "failed" && event.because === undefined) failures.push(event.error);
        progress.take(event);
      },
    });
  } catch (thrown) {
    if (thrown instanceof GlueError && failures.length > 0) throw new BuildFailed(thrown.message, exitCodeOf(failures));
    throw thrown;
  } finally {
    progress.end();
  }
}

/** The outputs when all are in the store already, which is the usual case and needs no sandbox. */
async function findBuilt(
  derivations: readonly EvaluatedDerivation[],
  session: Session,
  lease: Lease,
): Promise<BuiltOutputs | undefined> {
  const { pathInfos } = await session.openStore();
  const built = new Map<string, Map<string, string>>();
  for (const { drvPath, outputName, outputs } of derivations) {
    const path = outputs.find(({ name }) => name === outputName)?.path;
    // Where an output's path is not known before it is built, there is a placeholder, or nothing.
    if (path === undefined || !isBelowStoreDir(path, session.config.storeDir)) return undefined;
    const storePath = parseAbsoluteStorePath(path, session.config.storeDir);
    if ((await pathInfos.get(storePath.hashPart, { lease, signal: session.signal })) === undefined) return undefined;
    built.set(drvPath, new Map([...(built.get(drvPath) ?? []), [outputName, path]]));
  }
  return built;
}

/** C++ Nix's codes: 100, to which a timeout adds 1 and a wrong hash 2; plain 1 for what never got as far as a builder. */
export function exitCodeOf(failures: readonly GlueError[]): number {
  let code = 0;
  for (const { code: kind, context } of failures) {
    if (kind === "hash-mismatch") code |= EXIT.hashMismatch;
    else if (kind !== "build-failed") continue;
    else code |= context.reason === "timeout" || context.reason === "silence" ? EXIT.buildTimedOut : EXIT.buildFailed;
  }
  return code === 0 ? EXIT.error : code;
}
