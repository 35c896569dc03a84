/*
Runs a sandbox's launch script and sees it through to the end: log, limits, cancellation, what the exit means, and that no process is left.

The script is a file of bytes run by the host's sh, so that arguments and paths may hold any byte and no limit of a command line is met before
the builder's own. It reports on descriptor 3 in bubblewrap's --json-status-fd form: first `child-pid`, the process that is pid 1 inside, as the
host counts; killing that one kills everything inside, and once it is gone nothing is left. Then `exit-code`, only if the builder was started.
*/

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { lstat, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { bytesOf, type ByteString, byteStringOf, textOf } from "@firn/base";
import { type AttemptEnd, BuildError, type SandboxJob, type SandboxResult } from "@firn/build";
import { hostPathOf, type JobSpace } from "./job-space.ts";
import { openLogPipe } from "./log-pipe.ts";
import { findProgram } from "./programs.ts";
import { SpaceWatch } from "./space-watch.ts";

/** How long a sandbox that is to be killed may take to say which process is its first. */
const SETUP_MS_MAX = 5000;
/**
 * Closes what descriptors we were started with and never knew of, lest a builder gets them. Only bash has numbers above 9; where it is
 * missing, those stay open. In braces with the rest, since it closes the one the script is read from.
 */
const CLOSE_INHERITED = `for fd in /proc/self/fd/*; do
fd=\${fd##*/}
if [ "$fd" -gt 3 ] && { [ -n "$BASH_VERSION" ] || [ "$fd" -le 9 ]; }; then eval "exec $fd>&-"; fi
done
umask 022
`;
/** How much of the log's end is kept for the message when the sandbox fails. */
const TAIL_BYTES = 4096;

export type Launch = {
  /** For the host's sh; descriptor 3 is the status pipe. */
  readonly script: ByteString;
  /** What the log's end looks like when everything was set up and only the program could not be started. */
  readonly execFailed: RegExp;
};

/** Runs the job. Throws `sandbox` when it could not be set up or died without a word. */
export async function runJob(
  space: JobSpace,
  job: SandboxJob,
  launch: Launch,
  onLog: (bytes: Uint8Array) => void,
  signal: AbortSignal,
): Promise<SandboxResult> {
  if (signal.aborted) return { end: { reason: "cancelled" }, outputs: [] };
  const script = join(space.directory, "launch");
  await writeFile(script, bytesOf(`{\n${CLOSE_INHERITED}${launch.script}}\n`));
  const sh = (await findProgram("bash")) ?? "/bin/sh";
  const watch = await SpaceWatch.open(space.root, job.buildSpaceBytes !== undefined);
  const pipe = await openLogPipe(join(space.directory, "log"));
  let child: ChildProcess;
  try {
    // In a session of its own: Ctrl-C at the terminal is for us, who then cancel.
    child = spawn(sh, [script], {
      stdio: ["ignore", pipe.writerFd, pipe.writerFd, "pipe"],
      env: {},
      cwd: "/",
      detached: true,
    });
  } catch (thrown) {
    pipe.reader.destroy();
    throw thrown;
  } finally {
    pipe.closeWriter();
  }
  const processes = new JobProcesses(child);

  let stopped: AttemptEnd | undefined;
  const over = new AbortController();
  const stop = (end: AttemptEnd) => {
    stopped ??= end;
    processes.kill();
  };
  const onAbort = () => stop({ reason: "cancelled" });
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const { timeoutMs, silenceMs, buildSpaceBytes } = job;
  const timeout = timer(timeoutMs, (afterMs) => stop({ reason: "timeout", afterMs }));
  const silence = timer(silenceMs, (afterMs) => stop({ reason: "silence", afterMs }));
  let watchFailure: unknown;
  const watching =
    buildSpaceBytes === undefined
      ? undefined
      : watch.exceeds(buildSpaceBytes, over.signal).then(
          (exceeds) => exceeds && stop({ reason: "out-of-space", bytesMax: buildSpaceBytes }),
          (thrown) => {
            watchFailure = thrown;
            processes.kill();
          },
        );

  const { logBytesMax = Number.POSITIVE_INFINITY } = job;
  let logBytes = 0;
  let tail: Uint8Array = new Uint8Array(0);
  pipe.reader.on("data", (chunk: Buffer) => {
    if (stopped !== undefined) return; // from here on it may be the sandbox that complains about being killed
    silence?.refresh();
    tail =
      chunk.length >= TAIL_BYTES ? chunk.subarray(-TAIL_BYTES) : Buffer.concat([tail, chunk]).subarray(-TAIL_BYTES);
    const room = logBytesMax - logBytes;
    logBytes += chunk.length;
    if (chunk.length > room) stop({ reason: "log-limit", bytesMax: logBytesMax });
    if (room > 0) onLog(chunk.length > room ? chunk.subarray(0, room) : chunk);
  });
  const logEnded = new Promise<void>((resolve) => pipe.reader.once("close", () => resolve()));
  try {
    const exit = await processes.ended();
    clearTimeout(timeout);
    clearTimeout(silence);
    over.abort();
    await Promise.all([logEnded, watching]);
    if (watchFailure !== undefined) throw watchFailure;
    const end = stopped ?? (await meaningOf(exit, byteStringOf(tail), launch, watch, buildSpaceBytes));
    return { end, outputs: await Promise.all(job.outputs.map((path) => outputAt(hostPathOf(space, path)))) };
  } finally {
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timeout);
    clearTimeout(silence);
    over.abort();
    pipe.reader.destroy();
  }
}

/** Calls `late` after a time, if one is given; times longer than a timer can hold (24 days) are as good as none. */
function timer(afterMs: number | undefined, late: (afterMs: number) => void): NodeJS.Timeout | undefined {
  if (afterMs === undefined || afterMs > 0x7fffffff) return undefined;
  return setTimeout(() => late(afterMs), afterMs);
}

type Exit = { readonly code: number | undefined; readonly launcher: string };

/** The processes of a job: the launcher, which is our child, and the first process inside. */
class JobProcesses {
  readonly #child: ChildProcess;
  readonly #exited: Promise<string>;
  readonly #statusEnded: Promise<void>;
  #first: { readonly pid: number; readonly startedAt: string } | undefined;
  #code: number | undefined;
  #killed = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = new Promise((resolve, reject) => {
      child.once("error", (cause) =>
        reject(new BuildError("sandbox", `starting the shell failed: ${cause.message}`, { cause })),
      );
      child.once("exit", (code, name) =>
        resolve(name === null ? `ended with exit code ${code}` : `was killed by ${name}`),
      );
    });
    this.#exited.catch(() => {}); // asked for in `ended`
    const status = child.stdio[3] as Readable;
    let text = "";
    status.setEncoding("latin1");
    status.on("data", (more: string) => {
      text += more;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        this.#take(text.slice(0, end));
        text = text.slice(end + 1);
      }
    });
    status.on("error", () => {});
    this.#statusEnded = new Promise((resolve) => status.once("close", () => resolve()));
  }

  /** Kills everything inside, now or as soon as it is known what that is. */
  kill(): void {
    this.#killed = true;
    if (this.#first !== undefined) {
      if (startedAt(this.#first.pid) === this.#first.startedAt) trySignal(this.#first.pid);
      return;
    }
    // The launcher takes its child along, but it may not have said so to the kernel yet; hence only when it hangs.
    setTimeout(
      () => this.#first === undefined && this.#child.exitCode === null && this.#child.kill("SIGKILL"),
      SETUP_MS_MAX,
    ).unref();
  }

  /** Resolves when none is left. */
  async ended(): Promise<Exit> {
    const launcher = await this.#exited;
    await this.#statusEnded;
    for (let waitMs = 1; this.#first !== undefined; waitMs = Math.min(waitMs * 2, 50)) {
      if (startedAt(this.#first.pid) !== this.#first.startedAt) break;
      trySignal(this.#first.pid); // the builder is done, what it left running is not waited for
      await sleep(waitMs);
    }
    return { code: this.#code, launcher };
  }

  #take(line: string): void {
    const status = JSON.parse(line) as { "child-pid"?: number; "exit-code"?: number };
    const pid = status["child-pid"];
    if (pid !== undefined) {
      const at = startedAt(pid);
      if (at !== undefined) this.#first = { pid, startedAt: at };
      if (this.#killed) this.kill();
    }
    this.#code = status["exit-code"] ?? this.#code;
  }
}

/** When a live process started, in ticks since boot, which together with its pid names it; undefined when it is gone or a zombie. */
function startedAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function trySignal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone in between
  }
}

async function meaningOf(
  exit: Exit,
  tail: ByteString,
  launch: Launch,
  watch: SpaceWatch,
  bytesMax: number | undefined,
): Promise<AttemptEnd> {
  const code = exit.code ?? (launch.execFailed.test(tail) ? 127 : undefined);
  if (code === undefined) {
    const said = textOf(tail).trim();
    throw new BuildError(
      "sandbox",
      `the sandbox ${exit.launcher} before the builder was started${said && `: ${said}`}`,
    );
  }
  const used = bytesMax === undefined ? 0 : await watch.used();
  if (bytesMax !== undefined && used > bytesMax) return { reason: "out-of-space", bytesMax };
  if (code === 0) return { reason: "succeeded" };
  // A builder that was refused space fails in its own way, before or after some tidying up: being near the limit tells.
  if (bytesMax !== undefined && used >= bytesMax - bytesMax / 16) return { reason: "out-of-space", bytesMax };
  if (await watch.isFileSystemFull()) return { reason: "out-of-space", bytesMax: bytesMax ?? (await watch.used()) };
  const name = code > 128 ? nameOfSignal(code - 128) : undefined;
  return name === undefined ? { reason: "exit-code", code } : { reason: "signal", signal: name };
}

function nameOfSignal(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}

async function outputAt(path: string): Promise<string | undefined> {
  return await lstat(path).then(
    () => path,
    () => undefined,
  );
}
