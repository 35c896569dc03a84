/*
Derivations become outputs: what `build` does between the evaluation and the links. Failures of builders get their exit codes here.
*/

import type { Lease } from "@firn/castore";
import { type BuildService, expectedDuration } from "@firn/build";
import {
  buildDerivations,
  type BuildEvent,
  type BuildOptions,
  type BuildParts,
  type BuildTarget,
  type BuiltOutputs,
  checkDerivation,
  type CheckedDerivation,
  type CheckVariation,
  GlueError,
} from "@firn/glue";
import { isBelowStoreDir, parseAbsoluteStorePath } from "@firn/nix-compat";
import { BuildProgress, type ProgressOptions } from "./build-progress.ts";
import { type BuilderOptions, buildPartsOf, jobsOf, openBuilder } from "./builder.ts";
import { type NixSettings, readNixSettings } from "./compat/nix-settings.ts";
import { BuildFailed, EXIT } from "./error.ts";
import type { EvaluatedDerivation } from "./evaluator/job.ts";
import type { Session } from "./session.ts";
import { type OpenedSubstitution, openSubstitution } from "./substitution.ts";
import type { SubstitutionChoice } from "./substitution-flags.ts";

export type RealiseOptions = BuilderOptions &
  ProgressOptions & {
    /** How many cores a builder is told to use. */
    readonly cores: number;
    readonly buildSpaceBytes: number | undefined;
    readonly memoryBytes?: number;
    readonly logBytesMax?: number;
    readonly timeoutMs: number | undefined;
    readonly silenceMs: number | undefined;
    readonly keepGoing: boolean;
    /** Host path of the socket of a Nix daemon that builds instead of this machine. */
    readonly daemonSocket?: string | undefined;
    /** Whom to ask before anything is built; what nix.conf says when not said. */
    readonly substitution?: SubstitutionChoice;
  };

/** Makes sure that the output each derivation was selected for is in the store, held by `lease`. Throws `BuildFailed`. */
export async function realise(
  derivations: readonly EvaluatedDerivation[],
  options: RealiseOptions,
  session: Session,
  lease: Lease,
): Promise<BuiltOutputs> {
  using realiser = new Realiser(options, session, lease);
  return await realiser.realise([derivations]);
}

/** The builds of one command: however often and from wherever it asks, they share one build service, and are shown in one place. */
export class Realiser implements Disposable {
  readonly #options: RealiseOptions;
  readonly #session: Session;
  readonly #lease: Lease;
  readonly #signal: AbortSignal;
  #service: Promise<BuildService> | undefined;
  #progress: BuildProgress | undefined;
  #substitution: { readonly opened: OpenedSubstitution | undefined } | undefined;

  /** `lease` holds inputs and outputs; `signal` ends all builds, the session's when not said. */
  constructor(options: RealiseOptions, session: Session, lease: Lease, signal = session.signal) {
    this.#options = options;
    this.#session = session;
    this.#lease = lease;
    this.#signal = signal;
  }

  /** Makes sure that the output each derivation was selected for is in the store; building begins with the first batch. Throws `BuildFailed`. */
  async realise(
    batches: Iterable<readonly EvaluatedDerivation[]> | AsyncIterable<readonly EvaluatedDerivation[]>,
  ): Promise<BuiltOutputs> {
    const known = new Map<string, Map<string, string>>();
    const missing = this.#missing(batches, known);
    const first = await missing.next();
    if (first.done === true) return known; // the usual case, which needs no sandbox
    const built = await this.#build(withFirst(first.value, missing));
    for (const [drvPath, outputs] of built) known.set(drvPath, new Map([...(known.get(drvPath) ?? []), ...outputs]));
    return known;
  }

  [Symbol.dispose](): void {
    this.#progress?.end();
    const substitution = this.#substitution?.opened;
    const summary = substitution?.summary();
    // Where there is no terminal each path was told of.
    if (summary !== undefined && this.#session.output.isLive && !this.#options.quiet)
      void this.#session.output.note(summary);
    substitution?.[Symbol.dispose]();
  }

  /** Targets of what is not in the store; what is goes to `known`. */
  async *#missing(
    batches: Iterable<readonly EvaluatedDerivation[]> | AsyncIterable<readonly EvaluatedDerivation[]>,
    known: Map<string, Map<string, string>>,
  ): AsyncGenerator<readonly BuildTarget[], void> {
    for await (const batch of batches) {
      const targets: BuildTarget[] = [];
      for (const derivation of batch) {
        const { drvPath, outputName } = derivation;
        const path = await this.#findBuilt(derivation);
        if (path === undefined) targets.push({ drvPath, outputs: [outputName] });
        else known.set(drvPath, new Map([...(known.get(drvPath) ?? []), [outputName, path]]));
      }
      if (targets.length > 0) yield targets;
    }
  }

  async #findBuilt({ outputName, outputs }: EvaluatedDerivation): Promise<string | undefined> {
    const { storeDir } = this.#session.config;
    const { pathInfos } = await this.#session.openStore();
    const path = outputs.find(({ name }) => name === outputName)?.path;
    // Where an output's path is not known before it is built, there is a placeholder, or nothing.
    if (path === undefined || !isBelowStoreDir(path, storeDir)) return undefined;
    const { hashPart } = parseAbsoluteStorePath(path, storeDir);
    const info = await pathInfos.get(hashPart, { lease: this.#lease, signal: this.#signal });
    return info === undefined ? undefined : path;
  }

  /**
   * Builds a derivation again and compares with what is in the store, which it makes when it is missing. `rounds` attempts, in which what should not
   * matter is different; or one that is like the usual ones. Throws `BuildFailed`.
   */
  async check(drvPath: string, rounds: number | "as-usual"): Promise<CheckedDerivation> {
    return await this.#run(async (parts, options) => {
      const variations =
        rounds === "as-usual"
          ? [{ service: parts.buildService, buildDirectory: "/build", cores: this.#options.cores }]
          : await this.#variations(parts.buildService, rounds);
      return await checkDerivation(drvPath, parts, { ...options, variations });
    });
  }

  /** Other cores and another directory each time, and each other time another sandbox, where there is one. */
  async #variations(service: BuildService, rounds: number): Promise<readonly CheckVariation[]> {
    const { cores } = this.#options;
    const services = [await this.#otherService(), service];
    return Array.from({ length: rounds }, (_, round) => ({
      service: services[round % 2] ?? service,
      buildDirectory: `/build-check-${round + 1}`,
      cores: round % 2 === 0 ? (cores === 1 ? 2 : 1) : cores + round,
    }));
  }

  async #otherService(): Promise<BuildService | undefined> {
    const { sandbox } = this.#options;
    if (sandbox !== "auto" && sandbox !== "bubblewrap") return undefined; // whoever names one wants that one
    return await openBuilder({ ...this.#options, builders: undefined, sandbox: "unshare" }, this.#session).catch(
      () => undefined,
    );
  }

  async #build(targets: AsyncIterable<readonly BuildTarget[]>): Promise<BuiltOutputs> {
    const { daemonSocket: socketPath } = this.#options;
    if (socketPath === undefined) return await this.#run((parts, options) => buildDerivations(targets, parts, options));
    const { buildOnNixDaemon } = await import("./nix-daemon-builds.ts");
    const substitute = this.#settings().isOn("substitute");
    return await this.#shown(undefined, (onEvent) => {
      const given = { ...this.#options, substitute, socketPath, lease: this.#lease, signal: this.#signal, onEvent };
      return buildOnNixDaemon(targets, given, this.#session);
    });
  }

  /** Lets something build on this machine. */
  async #run<T>(use: (parts: BuildParts, options: BuildOptions & { readonly lease: Lease }) => Promise<T>): Promise<T> {
    this.#service ??= openBuilder(this.#options, this.#session);
    const buildService = await this.#service;
    return await this.#shown(buildService, async (onEvent, progress) => {
      this.#substitution ??= { opened: await this.#openSubstitution(progress) };
      const { substitute, substituteRealised } = this.#substitution.opened ?? {};
      const parts = { ...(await buildPartsOf(buildService, this.#session)), substitute, substituteRealised };
      return await use(parts, {
        ...this.#options,
        jobsMax: jobsOf(this.#options, this.#session),
        signal: this.#signal,
        lease: this.#lease,
        impureEnv: new Map(Object.entries(this.#session.config.environment)),
        lastLinesOnly: !progress.showsAllLines,
        onEvent,
      });
    });
  }

  /** What builds is shown with all else this builds, and what failed gets its exit code. */
  async #shown<T>(
    service: BuildService | undefined,
    build: (onEvent: (event: BuildEvent) => void, progress: BuildProgress) => Promise<T>,
  ): Promise<T> {
    const { output } = this.#session;
    const progress = (this.#progress ??= new BuildProgress(
      output,
      this.#options,
      service && ((name) => expectedDuration(service, name)),
    ));
    const failures: GlueError[] = [];
    try {
      return await build((event) => {
        if (event.type === "failed" && event.because === undefined) failures.push(event.error);
        progress.take(event);
      }, progress);
    } catch (thrown) {
      if (thrown instanceof GlueError && failures.length > 0)
        throw new BuildFailed(thrown.message, exitCodeOf(failures));
      throw thrown;
    } finally {
      progress.pause();
    }
  }

  #settings(): NixSettings {
    return (this.#options.substitution ?? readNixSettings)(this.#session.config.environment);
  }

  async #openSubstitution(progress: BuildProgress): Promise<OpenedSubstitution | undefined> {
    const settings = this.#settings();
    const display = this.#options.quiet ? undefined : progress;
    return openSubstitution(settings, await this.#session.openStore(), this.#lease, this.#session, display);
  }
}

async function* withFirst<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T, void> {
  yield first;
  yield* rest;
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
