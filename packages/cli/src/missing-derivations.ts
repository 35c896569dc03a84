/* What a build of derivations would have to build: what their outputs need and the store has not. */

import type { Lease } from "@firn/castore";
import { derivationReader, planBuild, RealisedOutputs } from "@firn/glue";
import type { BuilderOptions } from "./builder.ts";
import type { EvaluatedDerivation } from "./evaluator/job.ts";
import type { Output } from "./output.ts";
import type { Session } from "./session.ts";

/** Paths of their .drv files, dependencies first. */
export async function missingDerivations(
  derivations: readonly EvaluatedDerivation[],
  { relaxed = false }: Pick<BuilderOptions, "relaxed">,
  session: Session,
  lease: Lease,
): Promise<readonly string[]> {
  const { storeDir } = session.config;
  const store = await session.openStore();
  const { pathInfos, realisations } = store;
  const { steps } = await planBuild(
    derivations.map(({ drvPath, outputName }) => ({ drvPath, outputs: [outputName] })),
    {
      realised: new RealisedOutputs({ pathInfos, realisations, storeDir }),
      readDerivation: derivationReader(store.blobs, pathInfos, storeDir),
      relaxed,
    },
    { lease, signal: session.signal },
  );
  return [...steps.keys()];
}

/** Says on stderr what would be built, in C++ Nix's words; nothing when that is nothing. */
export async function tellMissing(drvPaths: readonly string[], output: Output): Promise<void> {
  if (drvPaths.length === 0) return;
  const what = drvPaths.length === 1 ? "this derivation" : `these ${drvPaths.length} derivations`;
  await output.note(`${what} will be built:`);
  for (const drvPath of drvPaths) await output.note(`  ${drvPath}`);
}
