/*
Builds left to a Nix daemon: derivations go there with all they refer to, outputs come back with all they refer to, and what the daemon says meanwhile is shown
like builds of one's own. What is there already does not travel.
*/

import { basename } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { openNixDaemon } from "@firn/backend-nix-daemon";
import type { DaemonBuildEvent, DaemonBuildResult } from "@firn/backend-nix-daemon";
import { type ByteString, textOf } from "@firn/base";
import type { Lease } from "@firn/castore";
import { type BuildEvent, type BuildTarget, type BuiltOutputs, derivationReader, GlueError } from "@firn/glue";
import { HASH_PART_CHARS, parseAbsoluteStorePath } from "@firn/nix-compat";
import { bringPaths, copyPaths, type Realisation } from "@firn/store";
import type { Output } from "./output.ts";
import type { Session } from "./session.ts";

export type NixDaemonBuildOptions = {
  readonly socketPath: string;
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly keepGoing: boolean;
  readonly substitute: boolean;
  readonly jobsMax: number;
  readonly cores: number;
  readonly timeoutMs: number | undefined;
  readonly silenceMs: number | undefined;
  readonly onEvent: (event: BuildEvent) => void;
};

/** Builds all targets. Throws the GlueError of what failed, after all that it was told of was told to `onEvent`. */
export async function buildOnNixDaemon(
  batches: AsyncIterable<readonly BuildTarget[]>,
  options: NixDaemonBuildOptions,
  session: Session,
): Promise<BuiltOutputs> {
  const { socketPath, lease, signal } = options;
  const { storeDir } = session.config;
  const store = await session.openStore();
  await using daemon = await openNixDaemon({ socketPath, castore: store, near: store.pathInfos, storeDir, signal });
  const there = { blobs: store.blobs, directories: store.directories, pathInfos: daemon.pathInfos };
  const copy = { lease, signal, registeredAt: Math.floor(Date.now() / 1000) };
  const display = new DaemonDisplay(options.onEvent, session.output);
  const built = new Map<ByteString, Map<string, ByteString>>();
  for await (const batch of batches) {
    const targets = mergedTargets(batch, storeDir);
    const paths = targets.map(({ path }) => path);
    await copyPaths(paths, store, there, copy);
    const results = await daemon.build(targets, { ...limitsOf(options), signal, onEvent: display.take });
    const failure = results.map((result) => display.failureOf(result, storeDir)).find((error) => error !== undefined);
    const outputs = results.flatMap((result) => [...result.outputs.values()]);
    await bringPaths(outputs, daemon.paths, store, copy);
    await store.realisations.put(await realisationsOf(results, session), { lease, signal });
    for (const { drvPath, outputs } of results) {
      const known = built.get(drvPath.absolute(storeDir)) ?? new Map<string, ByteString>();
      for (const [name, path] of outputs) known.set(name, path.absolute(storeDir));
      built.set(drvPath.absolute(storeDir), known);
    }
    if (failure !== undefined) throw failure;
  }
  return built;
}

function limitsOf({ keepGoing, substitute, jobsMax, cores, timeoutMs, silenceMs }: NixDaemonBuildOptions) {
  return {
    keepGoing,
    substitute,
    jobsMax,
    cores,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(silenceMs === undefined ? {} : { silenceMs }),
  };
}

/** Each derivation once, with all outputs that are wanted of it. */
function mergedTargets(batch: readonly BuildTarget[], storeDir: string) {
  const merged = new Map<ByteString, readonly string[] | "all">();
  for (const { drvPath, outputs } of batch) {
    const earlier = merged.get(drvPath) ?? [];
    merged.set(drvPath, earlier === "all" || outputs === "all" ? "all" : [...new Set([...earlier, ...outputs])]);
  }
  return Array.from(merged, ([drvPath, outputs]) => {
    if (drvPath.includes("!"))
      throw new GlueError(
        "unsupported",
        `'${textOf(drvPath)}' is made by a derivation, which no Nix daemon is asked for`,
      );
    return { path: parseAbsoluteStorePath(drvPath, storeDir), outputs };
  });
}

/** What outputs came out as whose paths their derivations do not say. */
async function realisationsOf(results: readonly DaemonBuildResult[], session: Session): Promise<Realisation[]> {
  const { blobs, pathInfos } = await session.openStore();
  const { storeDir } = session.config;
  const read = derivationReader(blobs, pathInfos, storeDir);
  const realisations: Realisation[] = [];
  for (const { drvPath, outputs } of results) {
    const derivation = await read(drvPath.absolute(storeDir), { signal: session.signal });
    for (const [output, path] of outputs)
      if (derivation.outputs.get(output)?.path === "") realisations.push({ drvPath, output, path, signatures: [] });
  }
  return realisations;
}

/** What a daemon says, as events of builds. How many there will be is not known before. */
class DaemonDisplay {
  readonly #onEvent: (event: BuildEvent) => void;
  readonly #output: Output;
  #started = 0;
  #running = 0;
  #failed = 0;

  constructor(onEvent: (event: BuildEvent) => void, output: Output) {
    this.#onEvent = onEvent;
    this.#output = output;
  }

  readonly take = (event: DaemonBuildEvent): void => {
    if (event.type === "message") return void this.#output.note(stripVTControlCharacters(textOf(event.text)));
    const { drvPath } = event;
    const name = nameOf(drvPath);
    if (event.type === "log") return this.#onEvent({ type: "log", drvPath, name, line: event.line });
    if (event.type === "started") {
      this.#started++;
      this.#running++;
      this.#onEvent({ type: "started", drvPath, name, counts: this.#counts() });
      return;
    }
    this.#running--;
    this.#onEvent({ type: "finished", drvPath, name, outputs: new Map(), counts: this.#counts() });
  };

  /** The error of a target that failed, which is told as well. */
  failureOf({ drvPath, status, error }: DaemonBuildResult, storeDir: string): GlueError | undefined {
    if (error === undefined) return undefined;
    this.#failed++;
    const path: ByteString = drvPath.absolute(storeDir);
    const name = nameOf(path);
    const reason = status === "timed-out" ? "timeout" : status;
    const code = status === "output-rejected" && error.includes("hash mismatch") ? "hash-mismatch" : "build-failed";
    const failure = new GlueError(code, stripVTControlCharacters(error), { context: { derivation: name, reason } });
    this.#onEvent({ type: "failed", drvPath: path, name, error: failure, counts: this.#counts() });
    return failure;
  }

  #counts() {
    return {
      planned: this.#started,
      running: this.#running,
      done: this.#started - this.#running,
      failed: this.#failed,
    };
  }
}

function nameOf(drvPath: ByteString): string {
  return basename(drvPath, ".drv").slice(HASH_PART_CHARS + 1);
}
