/*
Builds left to a Nix daemon: derivations that are in its store become outputs in its store. What is sent there before and fetched after is the caller's
affair.
*/

import { type ByteString, textOf } from "@firn/base";
import {
  type DerivedPath,
  isSuccess,
  type StorePath,
  WORKER_ACTIVITY,
  WORKER_LEVEL,
  WORKER_RESULT,
  type WorkerBuildStatus,
  type WorkerLogFrame,
} from "@firn/nix-compat";
import type { ConnectionPool } from "./connection-pool.ts";

/** The version from which on each target has a result of its own. */
const RESULTS_SINCE = 34;

/** What the daemon says while it builds; `drvPath` is absolute. */
export type DaemonBuildEvent =
  | { readonly type: "started"; readonly drvPath: ByteString }
  /** A line of the builder's output without its end. */
  | { readonly type: "log"; readonly drvPath: ByteString; readonly line: ByteString }
  | { readonly type: "stopped"; readonly drvPath: ByteString }
  | { readonly type: "message"; readonly text: ByteString };

export type DaemonBuildOptions = {
  readonly signal?: AbortSignal;
  readonly keepGoing?: boolean;
  /** Whether the daemon may take outputs from its binary caches; true when not said. */
  readonly substitute?: boolean;
  /** 0, or nothing: as many as the daemon likes. */
  readonly cores?: number;
  readonly jobsMax?: number;
  readonly timeoutMs?: number;
  readonly silenceMs?: number;
  readonly onEvent?: (event: DaemonBuildEvent) => void;
};

export type DaemonBuildResult = {
  readonly drvPath: StorePath;
  readonly status: WorkerBuildStatus;
  /** What went wrong; undefined for what succeeded. */
  readonly error?: string;
  readonly outputs: ReadonlyMap<string, StorePath>;
};

type Target = DerivedPath & { readonly outputs: readonly string[] | "all" };

/** Builds derivations. Throws `refused` where an old daemon has no results of single targets and one failed. */
export async function buildOnDaemon(
  targets: readonly Target[],
  pool: ConnectionPool,
  options: DaemonBuildOptions,
): Promise<readonly DaemonBuildResult[]> {
  const { signal } = options;
  const onFrame = eventsOf(options.onEvent);
  return await pool.run(signal, async (connection) => {
    await connection.call("setOptions", optionsFor(options), { signal });
    const request = { targets, mode: "normal" } as const;
    if (connection.session.version >= RESULTS_SINCE) {
      const results = await connection.call("buildPathsWithResults", request, { signal, onFrame });
      return results.map(({ target, result: { status, error, outputs } }) => ({
        drvPath: target.path,
        status,
        ...(isSuccess(status) ? {} : { error: textOf(error) }),
        outputs: new Map(outputs.map(({ name, path }) => [name, path])),
      }));
    }
    await connection.call("buildPaths", request, { signal, onFrame });
    const results: DaemonBuildResult[] = [];
    for (const { path, outputs: wanted } of targets) {
      const found = await connection.call("queryDerivationOutputMap", { path }, { signal });
      const outputs = new Map<string, StorePath>();
      for (const { name, path: output } of found)
        if (output !== undefined && (wanted === "all" || wanted.includes(name))) outputs.set(name, output);
      results.push({ drvPath: path, status: "built", outputs });
    }
    return results;
  });
}

function optionsFor({ keepGoing, substitute, cores, jobsMax, timeoutMs, silenceMs }: DaemonBuildOptions) {
  const seconds = (ms: number | undefined) => Math.ceil((ms ?? 0) / 1000);
  return {
    keepFailed: false,
    keepGoing: keepGoing ?? false,
    tryFallback: false,
    verbosity: WORKER_LEVEL.info,
    maxBuildJobs: BigInt(jobsMax ?? 1),
    maxSilentSeconds: BigInt(seconds(silenceMs)),
    useBuildHook: undefined,
    buildVerbosity: WORKER_LEVEL.vomit,
    logType: undefined,
    printBuildTrace: undefined,
    buildCores: BigInt(cores ?? 0),
    useSubstitutes: substitute ?? true,
    overrides: timeoutMs === undefined ? [] : [{ name: "timeout", value: `${seconds(timeoutMs)}` }],
  };
}

/** Frames of the daemon as events. A line belongs to the build whose activity it is a result of. */
function eventsOf(onEvent: DaemonBuildOptions["onEvent"]): (frame: WorkerLogFrame) => void {
  const builds = new Map<bigint, ByteString>();
  return (frame) => {
    if (onEvent === undefined) return;
    if (frame.type === "message") onEvent({ type: "message", text: frame.text.replace(/\n$/, "") });
    else if (frame.type === "start" && frame.activity === WORKER_ACTIVITY.build) {
      const [drvPath] = frame.fields;
      if (typeof drvPath !== "string") return;
      builds.set(frame.id, drvPath);
      onEvent({ type: "started", drvPath });
    } else if (frame.type === "result" && frame.result === WORKER_RESULT.buildLogLine) {
      const drvPath = builds.get(frame.id);
      const [line] = frame.fields;
      if (drvPath !== undefined && typeof line === "string") onEvent({ type: "log", drvPath, line });
    } else if (frame.type === "stop") {
      const drvPath = builds.get(frame.id);
      builds.delete(frame.id);
      if (drvPath !== undefined) onEvent({ type: "stopped", drvPath });
    }
  };
}
