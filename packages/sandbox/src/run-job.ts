/*
Runs a sandbox's launch script and sees it through to the end: log, limits, cancellation, what the exit means, and that no process is left.

The script is a file of bytes run by the host's sh (launch-shell.ts), so that arguments and paths may hold any byte and no limit of a command line
is met before the builder's own. It opens the log and, as descriptor 3, the status pipe, and reports there in bubblewrap's --json-status-fd form:
`launcher-pid`, its own; `child-pid`, the process that is pid 1 inside, as the host counts (or `started`, from that process itself, which does not
know how the host counts); killing that one kills everything inside, and once it is gone nothing is left. How the builder ended is in the start
program's report; if someone killed that program, in `exit-code`.
*/

import { lstatSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { bytesOf, type ByteString, byteStringOf, byteStringOfText, textOf } from "@firn/base";
import { type AttemptEnd, BuildError, type SandboxJob, type SandboxResult, type Turn } from "@firn/build";
import type { Cgroup, CgroupUsage } from "./cgroups.ts";
import { hostPathOf, type JobSpace, ownDirectory } from "./job-space.ts";
import { type Exit, JobProcesses, type Launch } from "./job-processes.ts";
import { scriptPath } from "./launch-shell.ts";
import type { LogPipes } from "./log-pipe.ts";
import { shellQuote } from "./shell-quote.ts";
import { SpaceWatch } from "./space-watch.ts";
import { readLauncherLog, readStartReport, SETUP_FAILED, SETUP_MESSAGE, type StartReport } from "./start-program.ts";

/** How much of the log's end is kept for the message when the sandbox fails. */
const TAIL_BYTES = 4096;

export type RunOptions = {
  /** For the host's sh, which has its own pid in $pid; descriptor 3 is the status pipe. */
  readonly script: ByteString;
  /** Starts it. */
  readonly launch: (space: JobSpace) => Launch;
  /** What the job's processes are in, if anything. */
  readonly cgroup: Cgroup | undefined;
  readonly pipes: LogPipes;
  readonly onLog: (bytes: Uint8Array) => void;
  readonly signal: AbortSignal;
  readonly turn: Turn | undefined;
};

/** Runs the job. Throws `sandbox` when it could not be set up or died without a word. */
export async function runJob(space: JobSpace, job: SandboxJob, options: RunOptions): Promise<SandboxResult> {
  const { cgroup, pipes, onLog, signal, turn } = options;
  const watch = await SpaceWatch.open(ownDirectory(space), job.buildSpaceBytes !== undefined);
  const inside = (name: string) => join(space.directory, name);
  const pipe = await pipes.open(inside("log"));
  const status = await pipes.open(inside("status"));
  let processes: JobProcesses;
  try {
    const [log, reports] = ["log", "status"].map((name) => shellQuote(byteStringOfText(inside(name))));
    const script = [
      `exec < /dev/null > ${log} 2>&1 3> ${reports} || exit`,
      "read -r pid rest < /proc/self/stat",
      `echo "{ \\"launcher-pid\\": $pid }" >&3`,
      options.script,
    ];
    writeFileSync(scriptPath(space.directory), bytesOf(`{\n${script.join("\n")}}\n`));
    if (signal.aborted || (turn !== undefined && !(await turn.begin()))) {
      pipe.close();
      status.close();
      return { end: { reason: "cancelled" }, outputs: [] };
    }
    processes = new JobProcesses(options.launch(space), status, cgroup);
  } catch (thrown) {
    pipe.close();
    status.close();
    throw thrown;
  }

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
  const logEnded = pipe.read((chunk) => {
    if (stopped !== undefined) return; // from here on it may be the sandbox that complains about being killed
    silence?.refresh();
    const end = chunk.subarray(-TAIL_BYTES);
    tail = end.length === TAIL_BYTES ? end.slice() : Buffer.concat([tail, end]).subarray(-TAIL_BYTES);
    const room = logBytesMax - logBytes;
    logBytes += chunk.length;
    if (chunk.length > room) stop({ reason: "log-limit", bytesMax: logBytesMax });
    if (room > 0) onLog(chunk.length > room ? chunk.subarray(0, room) : chunk);
  });
  try {
    const exit = await processes.ended();
    turn?.end();
    pipe.opened();
    pipe.hurry();
    clearTimeout(timeout);
    clearTimeout(silence);
    over.abort();
    await Promise.all([logEnded, watching]);
    if (watchFailure !== undefined) throw watchFailure;
    const report = readStartReport(space.directory);
    const { ranOutOfMemory = false, ...usage } = (await cgroup?.usage()) ?? {};
    const finished = { exit, report, ranOutOfMemory, tail: byteStringOf(tail) };
    const end = stopped ?? (await meaningOf(finished, watch, buildSpaceBytes));
    if (end === undefined) {
      const said = `${await readLauncherLog(space.directory)}\n${textOf(finished.tail)}`.trim();
      const message = `the sandbox ${exit.launcher} before the builder was started${said && `: ${said}`}`;
      throw new BuildError("sandbox", message);
    }
    const outputs = job.outputs.map((path) => outputAt(hostPathOf(space, path)));
    return { end, outputs, ...costs(report, usage) };
  } finally {
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timeout);
    clearTimeout(silence);
    over.abort();
    pipe.close();
  }
}

/** Calls `late` after a time, if one is given; times longer than a timer can hold (24 days) are as good as none. */
function timer(afterMs: number | undefined, late: (afterMs: number) => void): NodeJS.Timeout | undefined {
  if (afterMs === undefined || afterMs > 0x7fffffff) return undefined;
  return setTimeout(() => late(afterMs), afterMs);
}

/** What the cgroup counted, which is everything, before what the start program was told of those processes that were waited for. */
function costs(
  report: StartReport = {},
  usage: Omit<CgroupUsage, "ranOutOfMemory">,
): Omit<SandboxResult, "end" | "outputs"> {
  return {
    cpuUserMs: usage.cpuUserMs ?? report.cpuUserMs,
    cpuSystemMs: usage.cpuSystemMs ?? report.cpuSystemMs,
    memoryPeakBytes: usage.memoryPeakBytes ?? report.memoryPeakBytes,
    ioReadBytes: usage.ioReadBytes ?? report.ioReadBytes,
    ioWriteBytes: usage.ioWriteBytes ?? report.ioWriteBytes,
  };
}

type Finished = {
  readonly exit: Exit;
  readonly report: StartReport | undefined;
  readonly ranOutOfMemory: boolean;
  /** The log's end. */
  readonly tail: ByteString;
};

/** Undefined when the builder was not started. */
async function meaningOf(
  finished: Finished,
  watch: SpaceWatch,
  bytesMax: number | undefined,
): Promise<AttemptEnd | undefined> {
  const { exit, report, ranOutOfMemory, tail } = finished;
  const end = report === undefined ? endOfCode(exit.code) : endOfReport(report, tail);
  if (end === undefined) return undefined;
  const used = bytesMax === undefined ? 0 : await watch.used();
  if (bytesMax !== undefined && used > bytesMax) return { reason: "out-of-space", bytesMax };
  if (end.reason === "succeeded") return end;
  if (ranOutOfMemory) return { reason: "out-of-memory" };
  // A builder that was refused space fails in its own way, before or after some tidying up: being near the limit tells.
  if (bytesMax !== undefined && used >= bytesMax - bytesMax / 16) return { reason: "out-of-space", bytesMax };
  if (await watch.isFileSystemFull()) return { reason: "out-of-space", bytesMax: bytesMax ?? (await watch.used()) };
  return end;
}

/** Undefined when the start program failed before it came to the builder. */
function endOfReport({ code, signal }: StartReport, tail: ByteString): AttemptEnd | undefined {
  if (signal !== undefined) return { reason: "signal", signal: nameOfSignal(signal) ?? `${signal}` };
  return code === SETUP_FAILED && tail.endsWith(SETUP_MESSAGE) ? undefined : endOfCode(code);
}

/** The start program, when it was killed, has an exit code that names the signal. */
function endOfCode(code: number | undefined): AttemptEnd | undefined {
  if (code === undefined) return undefined;
  return code === 0 ? { reason: "succeeded" } : { reason: "exit-code", code };
}

function nameOfSignal(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}

function outputAt(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false }) && path;
}
