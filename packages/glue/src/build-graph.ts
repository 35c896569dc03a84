/*
Building derivations: plan what is missing, build it in the order of dependencies with several attempts at once, register what came out.
The scheduling is one process's; limits of the machine are the build service's.

A step is built once however many wait for it, and two calls that build the same derivation at the same time join the same attempt, since
they submit the same recipe.
*/

import { assert, type ByteString } from "@firn/base";
import type { BuildService, AttemptLimits } from "@firn/build";
import type { CastoreServices, Lease, LeaseService } from "@firn/castore";
import { DEFAULT_STORE_DIR, type Derivation } from "@firn/nix-compat";
import type { PathInfo, PathInfoService } from "@firn/store";
import {
  type BuildPlan,
  type BuildStep,
  type BuildTarget,
  derivationReader,
  outputNames,
  outputPaths,
  planBuild,
  type ReadDerivation,
} from "./build-plan.ts";
import { derivationFailure } from "./build-failure.ts";
import { buildStep, type StepParts } from "./build-step.ts";
import type { RecipeOptions } from "./derivation-recipe.ts";
import { GlueError } from "./error.ts";
import type { Fetcher } from "./fetcher.ts";

export type BuildParts = CastoreServices & {
  readonly pathInfos: PathInfoService;
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
};

export type BuildOptions = Omit<RecipeOptions, "storeDir" | "graphs"> &
  AttemptLimits & {
    readonly signal?: AbortSignal;
    /** Holds all inputs and outputs. Without it they are held only while this call runs. */
    readonly lease?: Lease;
    /** Derivations built at once, 1 when not said. */
    readonly jobsMax?: number;
    /** After a failure goes on with everything that does not need what failed. */
    readonly keepGoing?: boolean;
    readonly onEvent?: (event: BuildEvent) => void;
  };

/** Derivations of the plan: all, being built, done, failed (because of others, too). */
export type BuildCounts = {
  readonly planned: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
};

/** For progress displays. `name` is the derivation's, without hash and `.drv`. */
export type BuildEvent =
  | {
      readonly type: "planned";
      readonly derivations: readonly { readonly drvPath: ByteString; readonly name: string }[];
      readonly counts: BuildCounts;
    }
  | { readonly type: "started"; readonly drvPath: ByteString; readonly name: string; readonly counts: BuildCounts }
  /** A line of the builder's output without its end, at most 16 KiB; longer lines come in pieces. */
  | { readonly type: "log"; readonly drvPath: ByteString; readonly name: string; readonly line: ByteString }
  | {
      readonly type: "finished";
      readonly drvPath: ByteString;
      readonly name: string;
      readonly outputs: ReadonlyMap<string, ByteString>;
      readonly counts: BuildCounts;
    }
  | {
      readonly type: "failed";
      readonly drvPath: ByteString;
      readonly name: string;
      readonly error: GlueError;
      /** The derivation whose failure is the reason; absent where it is its own. */
      readonly because?: ByteString;
      readonly counts: BuildCounts;
    };

/** Absolute store paths by output name, by path of the .drv. */
export type BuiltOutputs = ReadonlyMap<ByteString, ReadonlyMap<string, ByteString>>;

/**
 * Makes sure that the outputs of all targets are registered, and yields their paths. Throws the GlueError of what failed (one for all when
 * several did), the signal's reason when it fired, or another room's error when a store gave up; by then no attempt of this call is running
 * any more, unless others asked for it too. What was built before a failure stays registered.
 */
export async function buildDerivations(
  targets: readonly BuildTarget[],
  parts: BuildParts,
  options: BuildOptions = {},
): Promise<BuiltOutputs> {
  const { signal } = options;
  await using own = options.lease === undefined ? await parts.leases.openLease("build derivations") : undefined;
  const lease = options.lease ?? (own as Lease);
  const storeDir = parts.storeDir ?? DEFAULT_STORE_DIR;
  const pathInfos = rememberedPathInfos(parts.pathInfos);
  const readDerivation = parts.readDerivation ?? derivationReader(parts.blobs, pathInfos, storeDir);
  const plan = await planBuild(targets, { pathInfos, readDerivation, storeDir }, { signal, lease });
  if (plan.steps.size > 0) await new GraphRun(plan, { ...parts, pathInfos, storeDir, lease }, options).run();
  const built = new Map<ByteString, Map<string, ByteString>>();
  for (const { drvPath, outputs } of targets) {
    const derivation = plan.derivations.get(drvPath) as Derivation;
    const names = outputNames(derivation, outputs);
    const paths = outputPaths(drvPath, derivation, names);
    const known = built.get(drvPath) ?? new Map<string, ByteString>();
    names.forEach((name, index) => known.set(name, paths[index]));
    built.set(drvPath, known);
  }
  return built;
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

/** One walk over a plan that is not empty. */
class GraphRun {
  readonly #plan: BuildPlan;
  readonly #parts: StepParts;
  readonly #options: BuildOptions;
  readonly #dependents = new Map<ByteString, ByteString[]>();
  /** How many dependencies a step still waits for. */
  readonly #waiting = new Map<ByteString, number>();
  readonly #ready: BuildStep[] = [];
  readonly #failures: GlueError[] = [];
  readonly #failed = new Set<ByteString>();
  readonly #stop = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #fatal: { readonly thrown: unknown } | undefined;
  #running = 0;
  #done = 0;

  constructor(plan: BuildPlan, parts: StepParts, options: BuildOptions) {
    assert((options.jobsMax ?? 1) >= 1, "at least one job may run");
    this.#plan = plan;
    this.#parts = parts;
    this.#options = options;
    for (const step of plan.steps.values()) {
      this.#waiting.set(step.drvPath, step.dependencies.length);
      if (step.dependencies.length === 0) this.#ready.push(step);
      for (const dependency of step.dependencies) {
        const dependents = this.#dependents.get(dependency);
        if (dependents === undefined) this.#dependents.set(dependency, [step.drvPath]);
        else dependents.push(step.drvPath);
      }
    }
  }

  async run(): Promise<void> {
    const { signal, onEvent } = this.#options;
    const derivations = Array.from(this.#plan.steps.values(), ({ drvPath, derivation }) => ({
      drvPath,
      name: derivation.name,
    }));
    onEvent?.({ type: "planned", derivations, counts: this.#counts() });
    const onAbort = () => this.#stop.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal?.aborted) onAbort();
      this.#startReady();
      await this.#ended.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    if (signal?.aborted) throw signal.reason;
    if (this.#fatal !== undefined) throw this.#fatal.thrown;
    const [first] = this.#failures;
    if (first !== undefined) throw this.#failures.length === 1 ? first : severalFailures(this.#failures);
  }

  #startReady(): void {
    while (this.#running < (this.#options.jobsMax ?? 1) && !this.#stop.signal.aborted) {
      const step = this.#ready.shift();
      if (step === undefined) break;
      this.#running++;
      void this.#build(step).then(() => {
        this.#running--;
        this.#startReady();
      });
    }
    if (this.#running === 0) this.#ended.resolve();
  }

  /** Never rejects. */
  async #build(step: BuildStep): Promise<void> {
    const { drvPath, derivation } = step;
    const { name } = derivation;
    const { onEvent } = this.#options;
    try {
      onEvent?.({ type: "started", drvPath, name, counts: this.#counts() });
      const onLine = (line: ByteString) => onEvent?.({ type: "log", drvPath, name, line });
      await buildStep(step, this.#plan, this.#parts, { ...this.#options, signal: this.#stop.signal, onLine });
      this.#done++;
      const outputs = new Map(Array.from(derivation.outputs, ([output, { path }]) => [output, path]));
      onEvent?.({ type: "finished", drvPath, name, outputs, counts: this.#counts(-1) });
      for (const dependent of this.#dependents.get(drvPath) ?? []) this.#release(dependent);
    } catch (thrown) {
      this.#fail(step, thrown);
    }
  }

  #release(drvPath: ByteString): void {
    const waiting = (this.#waiting.get(drvPath) as number) - 1;
    this.#waiting.set(drvPath, waiting);
    if (waiting === 0) this.#ready.push(this.#plan.steps.get(drvPath) as BuildStep);
  }

  #fail({ drvPath, derivation }: BuildStep, thrown: unknown): void {
    if (this.#stop.signal.aborted) return; // withdrawn: the reason is reported already
    const error = derivationFailure(drvPath, thrown);
    if (error === undefined) {
      this.#fatal = { thrown };
      this.#stop.abort(thrown);
      return;
    }
    this.#failures.push(error);
    this.#failed.add(drvPath);
    const { onEvent, keepGoing } = this.#options;
    try {
      onEvent?.({ type: "failed", drvPath, name: derivation.name, error, counts: this.#counts(-1) });
      this.#failDependents(drvPath, error);
    } catch (failure) {
      this.#fatal = { thrown: failure };
    }
    if (!keepGoing || this.#fatal !== undefined) this.#stop.abort(error);
  }

  /** Everything that needs `because`, at any distance. */
  #failDependents(because: ByteString, cause: GlueError): void {
    const left = [...(this.#dependents.get(because) ?? [])];
    for (let drvPath = left.shift(); drvPath !== undefined; drvPath = left.shift()) {
      if (this.#failed.has(drvPath)) continue;
      this.#failed.add(drvPath);
      const { name } = (this.#plan.steps.get(drvPath) as BuildStep).derivation;
      const message = `derivation '${drvPath}' cannot be built, because its dependency '${because}' failed`;
      const error = new GlueError("build-failed", message, {
        context: { derivation: name, reason: "dependency", because },
        cause,
      });
      this.#options.onEvent?.({ type: "failed", drvPath, name, error, because, counts: this.#counts(-1) });
      left.push(...(this.#dependents.get(drvPath) ?? []));
    }
  }

  /** `change` is to the running ones, for an event that says one has just ended. */
  #counts(change = 0): BuildCounts {
    return {
      planned: this.#plan.steps.size,
      running: this.#running + change,
      done: this.#done,
      failed: this.#failed.size,
    };
  }
}

function severalFailures(failures: readonly GlueError[]): GlueError {
  const code = failures.every((failure) => failure.code === failures[0].code) ? failures[0].code : "build-failed";
  const message = `${failures.length} derivations failed:\n${failures.map((failure) => failure.message).join("\n")}`;
  return new GlueError(code, message, { context: { failures: failures.length }, cause: failures[0] });
}
