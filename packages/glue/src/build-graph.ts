/*
Building derivations: plan what is missing, build it in the order of dependencies with several attempts at once, register what came out. The walk is
graph-run.ts's; here is what it starts from, and what is handed back.
*/

import { assert, type ByteString } from "@firn/base";
import type { BuildService } from "@firn/build";
import type { CastoreServices, Lease, LeaseService } from "@firn/castore";
import { DEFAULT_STORE_DIR, type Derivation } from "@firn/nix-compat";
import type { PathInfo, PathInfoService, RealisationService } from "@firn/store";
import {
  type BuildTarget,
  derivationReader,
  outputNames,
  planBuild,
  type ReadDerivation,
  type SubstituteOutputs,
  type SubstituteRealised,
} from "./build-plan.ts";
import type { Fetcher } from "./fetcher.ts";
import { GraphRun, type RunOptions } from "./graph-run.ts";
import { type OutputPaths, RealisedOutputs } from "./realised-outputs.ts";

export type BuildParts = CastoreServices & {
  readonly pathInfos: PathInfoService;
  readonly realisations: RealisationService;
  readonly leases: LeaseService;
  readonly buildService: BuildService;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** /nix/store when not said. */
  readonly storeDir?: string;
  /** For derivations with `builtin:fetchurl` as builder; absent: these are refused. */
  readonly fetcher?: Fetcher;
  /** Where derivations come from; the store when not said. */
  readonly readDerivation?: ReadDerivation;
  /** Where outputs may come from instead of being built. */
  readonly substitute?: SubstituteOutputs;
  readonly substituteRealised?: SubstituteRealised;
};

export type BuildOptions = RunOptions & {
  /** Holds all inputs and outputs. Without it they are held only while this call runs. */
  readonly lease?: Lease;
  /** Whether derivations that ask for it may see the host (`__noChroot`); false when not said. */
  readonly relaxed?: boolean;
};

/** Absolute store paths by output name, by path of the .drv. */
export type BuiltOutputs = ReadonlyMap<ByteString, OutputPaths>;

/**
 * Makes sure that the outputs of all targets are registered, and yields their paths. Throws the GlueError of what failed (one for all when
 * several did), the signal's reason when it fired, or another room's error when a store gave up; by then no attempt of this call is running
 * any more, unless others asked for it too. What was built before a failure stays registered. Targets may come in batches: what is known of is
 * built while more are awaited; when awaiting them fails, so does the whole. After a failure no more are asked for.
 */
export async function buildDerivations(
  targets: readonly BuildTarget[] | AsyncIterable<readonly BuildTarget[]>,
  parts: BuildParts,
  options: BuildOptions = {},
): Promise<BuiltOutputs> {
  await using own = options.lease === undefined ? await parts.leases.openLease("build derivations") : undefined;
  const lease = options.lease ?? (own as Lease);
  const storeDir = parts.storeDir ?? DEFAULT_STORE_DIR;
  const pathInfos = rememberedPathInfos(parts.pathInfos);
  const readAnew = parts.readDerivation ?? derivationReader(parts.blobs, pathInfos, storeDir);
  const readDerivation: ReadDerivation = async (drvPath, call) => run.derivation(drvPath) ?? readAnew(drvPath, call);
  const realised = new RealisedOutputs({ ...parts, pathInfos, storeDir });
  const planning = (more: readonly BuildTarget[], planSignal: AbortSignal) =>
    planBuild(
      more,
      {
        realised,
        readDerivation,
        relaxed: options.relaxed ?? false,
        substitute: parts.substitute,
        substituteRealised: parts.substituteRealised,
      },
      { signal: planSignal, lease },
    );
  const stepParts = { ...parts, pathInfos, storeDir, lease };
  const run = new GraphRun(planning, realised, stepParts, options);
  const wanted: { readonly target: BuildTarget; readonly drvPath: ByteString }[] = [];
  await run.run(concreteTargets());
  const built = new Map<ByteString, OutputPaths>();
  for (const { target, drvPath } of wanted) {
    const paths = new Map(built.get(target.drvPath));
    for (const name of outputNames(run.derivation(drvPath) as Derivation, target.outputs)) {
      const path = realised.pathOf(drvPath, name);
      assert(path !== undefined, "what was built is known");
      paths.set(name, path);
    }
    built.set(target.drvPath, paths);
  }
  return built;

  async function* concreteTargets(): AsyncGenerator<readonly BuildTarget[], void> {
    for await (const batch of Symbol.asyncIterator in targets ? targets : [targets]) {
      const concrete: BuildTarget[] = [];
      for (const target of batch) {
        const drvPath = await concreteDerivation(target.drvPath, parts, { ...options, lease });
        wanted.push({ target, drvPath });
        concrete.push({ ...target, drvPath });
      }
      yield concrete;
    }
  }
}

/** The path of the .drv that `<output>!<path of a .drv>` leads to, which is built for that. */
async function concreteDerivation(drvPath: ByteString, parts: BuildParts, options: BuildOptions): Promise<ByteString> {
  if (drvPath.startsWith("/")) return drvPath;
  const end = drvPath.indexOf("!");
  const [output, inner] = [drvPath.slice(0, end), drvPath.slice(end + 1)];
  const built = await buildDerivations([{ drvPath: inner, outputs: [output] }], parts, options);
  return built.get(inner)?.get(output) as ByteString;
}

/** Closures of hundreds of derivations overlap nearly completely: what was found once is not asked for again under the same lease. */
function rememberedPathInfos(pathInfos: PathInfoService): PathInfoService {
  const found = new Map<string, PathInfo>();
  return {
    supports: pathInfos.supports,
    get: async (hashPart, options) => {
      const known = found.get(hashPart);
      if (known !== undefined) return known;
      const info = await pathInfos.get(hashPart, options);
      if (info !== undefined) found.set(hashPart, info);
      return info;
    },
    put: (infos, options) => pathInfos.put(infos, options),
    list: (options) => pathInfos.list(options),
    referrers: (path, options) => pathInfos.referrers(path, options),
  };
}
