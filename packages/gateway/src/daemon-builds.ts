/*
What clients want built. Builds are those of everyone: two clients that want the same thing wait for the same attempt, and when one of them goes away it
runs on for the other.
*/

import { type ByteString, byteStringOfText, FirnError, messageOf } from "@firn/base";
import {
  derivationKind,
  type Derivation,
  derivationPath,
  type DerivedPath,
  type StorePath,
  type WorkerBuildMode,
  type WorkerBuildResult,
  type WorkerBuildStatus,
  type WorkerOptions,
  WORKER_LEVEL,
} from "@firn/nix-compat";
import type { DaemonCall, DaemonHandlers } from "./daemon-call.ts";
import type { DaemonBuildOptions, DaemonBuildSettings, DaemonBuildTarget } from "./daemon-host.ts";
import { GatewayError } from "./error.ts";

/** Settings that clients nobody trusts may say, too. */
const OPEN_SETTINGS: ReadonlySet<string> = new Set([
  "timeout",
  "build-timeout",
  "max-silent-time",
  "build-max-silent-time",
  "build-poll-interval",
  "connect-timeout",
  // Dropped without a word by C++ Nix.
  "ssh-auth-sock",
  "experimental-features",
]);
const SECONDS_MAX = 10 * 365 * 24 * 60 * 60;
const CORES_MAX = 1 << 16;

export const DAEMON_BUILDS: DaemonHandlers<
  "setOptions" | "buildPaths" | "buildPathsWithResults" | "buildDerivation" | "ensurePath"
> = {
  setOptions: async (options, call) => {
    call.state.log.level = options.verbosity;
    call.state.settings = settingsOf(options, call);
  },

  buildPaths: async ({ targets, mode }, call) => {
    checkMode(mode, call);
    const outcome = await buildTargets(targets, call);
    const [first] = outcome.failures.values();
    if (outcome.thrown !== undefined) throw outcome.thrown;
    if (first !== undefined) throw first;
  },

  buildPathsWithResults: async ({ targets, mode }, call) => {
    checkMode(mode, call);
    const outcome = await buildTargets(targets, call);
    const { log } = call.state;
    const isTarget = (drvPath: ByteString) => targets.some(({ path }) => path.absolute(call.host.storeDir) === drvPath);
    // A target's failure is in its result, why it could not be built is in none.
    for (const [drvPath, error] of outcome.failures)
      if (error.context.reason !== "dependency" && !isTarget(drvPath))
        log.say(WORKER_LEVEL.error, `error: ${byteStringOfText(error.message)}`);
    return targets.map((target) => ({ target, result: resultOf(target, outcome, call) }));
  },

  /** A derivation that the client sends. Its inputs must be here; nobody but trusted clients says what is at a path that does not follow from contents. */
  buildDerivation: async ({ path, derivation: basic, mode }, call) => {
    checkMode(mode, call);
    const derivation: Derivation = { ...basic, name: nameOf(path), inputDrvs: new Map() };
    const drvPath = call.state.trusted ? path : addressedPath(derivation, call);
    const given = { drvPath: drvPath.absolute(call.host.storeDir), derivation };
    const target: DerivedPath = { path: drvPath, outputs: "all" };
    return resultOf(target, await buildTargets([target], call, given), call);
  },

  ensurePath: async ({ path }, call) => {
    await call.ensure(path);
    await call.show([path]);
  },
};

function checkMode(mode: WorkerBuildMode, { state }: DaemonCall): void {
  if (mode === "normal") return;
  if (mode === "repair" && !state.trusted)
    throw new GatewayError("forbidden", "repairing is not allowed because you are not in 'trusted-users'");
  throw new GatewayError("method", `Firn's daemon does not build with the mode '${mode}': use 'firn build' for it`);
}

function nameOf(path: StorePath): string {
  if (path.isDerivation) return path.name.slice(0, -".drv".length);
  throw new GatewayError("bad-request", `'${path}' is not a derivation`);
}

/** The path of a derivation whose outputs follow from their contents, computed and not believed. */
function addressedPath(derivation: Derivation, { host }: DaemonCall): StorePath {
  const kind = derivationKind(derivation);
  if (kind !== "fixed" && kind !== "floating")
    throw new GatewayError("forbidden", "you are not privileged to build input-addressed derivations");
  return derivationPath(derivation, host.storeDir);
}

export type BuildOutcome = {
  /** Output paths by derivation. */
  readonly built: ReadonlyMap<ByteString, ReadonlyMap<string, ByteString>>;
  /** Derivations that a builder was started for. */
  readonly started: ReadonlySet<ByteString>;
  readonly failures: ReadonlyMap<ByteString, FirnError>;
  /** What ended it, where it is not one derivation's failure. */
  readonly thrown: unknown;
  readonly startedAt: number;
  readonly stoppedAt: number;
};

/** Builds what is missing of the targets, and says how each ended. Throws only when it was stopped. */
export async function buildTargets(
  targets: readonly DerivedPath[],
  call: DaemonCall,
  given?: { readonly drvPath: ByteString; readonly derivation: Derivation },
): Promise<BuildOutcome> {
  const { host, state, signal } = call;
  const { storeDir, now } = host;
  const wanted: DaemonBuildTarget[] = [];
  for (const { path, outputs } of targets) {
    if (outputs !== undefined) wanted.push({ drvPath: path.absolute(storeDir), outputs });
    else await call.ensure(path);
  }
  const started = new Set<ByteString>();
  const failures = new Map<ByteString, FirnError>();
  const options: DaemonBuildOptions = {
    ...state.settings,
    signal,
    lease: await state.lease(),
    ...(given === undefined ? {} : { given }),
    onEvent: (event) => {
      if (event.type === "started") started.add(event.drvPath);
      if (event.type === "failed") failures.set(event.drvPath, event.error);
      state.log.build(event);
    },
    say: call.say,
  };
  const startedAt = Math.floor(now() / 1000);
  const ended = (built: BuildOutcome["built"], thrown: unknown) => {
    return { built, started, failures, thrown, startedAt, stoppedAt: Math.floor(now() / 1000) };
  };
  try {
    if (wanted.length === 0) return ended(new Map(), undefined);
    if (host.build === undefined) throw new GatewayError("method", "nothing is built here");
    const built = await host.build(wanted, options);
    for (const outputs of built.values()) await call.show([...outputs.values()].map((path) => call.parse(path)));
    return ended(built, undefined);
  } catch (thrown) {
    signal.throwIfAborted();
    return ended(new Map(), thrown);
  } finally {
    state.log.endBuilds();
  }
}

function resultOf({ path, outputs }: DerivedPath, outcome: BuildOutcome, call: DaemonCall): WorkerBuildResult {
  const drvPath = path.absolute(call.host.storeDir);
  const { startedAt, stoppedAt, started } = outcome;
  const common = { isNonDeterministic: false, cpuUserUs: undefined, cpuSystemUs: undefined };
  const untouched = { ...common, timesBuilt: 0, startedAt: 0, stoppedAt: 0 };
  if (outputs === undefined) return { ...untouched, status: "already-valid", error: "", outputs: [] };
  const timed = started.has(drvPath) ? { ...common, timesBuilt: 1, startedAt, stoppedAt } : untouched;
  const failure = outcome.failures.get(drvPath) ?? outcome.thrown;
  if (failure !== undefined) {
    return { ...timed, status: statusOf(failure), error: byteStringOfText(messageOf(failure)), outputs: [] };
  }
  const built = [...(outcome.built.get(drvPath) ?? [])].filter(([name]) => outputs === "all" || outputs.includes(name));
  return {
    ...timed,
    status: started.has(drvPath) ? "built" : "already-valid",
    error: "",
    outputs: built.map(([name, output]) => ({ name, path: call.parse(output), signatures: [] })),
  };
}

const STATUS_OF_REASON: Readonly<Record<string, WorkerBuildStatus>> = {
  "exit-code": "permanent-failure",
  signal: "permanent-failure",
  timeout: "timed-out",
  silence: "timed-out",
  "out-of-memory": "transient-failure",
  "out-of-space": "transient-failure",
  "log-limit": "log-limit-exceeded",
  cancelled: "misc-failure",
  "output-missing": "permanent-failure",
  "output-refused": "output-rejected",
  infrastructure: "transient-failure",
  dependency: "dependency-failed",
};
const STATUS_OF_CODE: Readonly<Record<string, WorkerBuildStatus>> = {
  "hash-mismatch": "output-rejected",
  "invalid-derivation": "input-rejected",
  "missing-input": "input-rejected",
};

function statusOf(failure: unknown): WorkerBuildStatus {
  if (!(failure instanceof FirnError)) return "misc-failure";
  return STATUS_OF_CODE[failure.code] ?? STATUS_OF_REASON[String(failure.context.reason)] ?? "misc-failure";
}

/** What of a client's wishes is heeded. Others of a trusted client are about things that are not so here. */
function settingsOf(options: WorkerOptions, call: DaemonCall): DaemonBuildSettings {
  const overrides = new Map(options.overrides.map(({ name, value }) => [name, value]));
  if (!call.state.trusted) {
    for (const [name, value] of overrides) {
      if (OPEN_SETTINGS.has(name) || (name === "builders" && value === "")) continue;
      call.state.log.warn(
        `ignoring the client-specified setting '${name}', because it is a restricted setting and you are not a trusted user`,
      );
    }
  }
  const timeout = overrides.get("timeout") ?? overrides.get("build-timeout");
  return {
    keepGoing: options.keepGoing,
    substitute: options.useSubstitutes,
    ...positive("jobsMax", Number(options.maxBuildJobs), CORES_MAX),
    ...positive("cores", Number(options.buildCores), CORES_MAX),
    ...positive("silenceMs", Number(options.maxSilentSeconds), SECONDS_MAX, 1000),
    ...positive("timeoutMs", /^\d{1,10}$/.test(timeout ?? "") ? Number(timeout) : 0, SECONDS_MAX, 1000),
  };
}

/** A setting whose 0, and whatever is beyond reason, means "no such limit". */
function positive(name: string, value: number, max: number, unit = 1): Record<string, number> {
  return value > 0 && value <= max ? { [name]: value * unit } : {};
}
