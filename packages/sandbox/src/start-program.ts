/*
The program a sandbox starts, which starts the builder: a small ELF file without libraries, made for each job. It does what no launcher does for
all of them, and so makes them alike:

- arguments, environment and the name in argv[0] are in it, byte for byte, whatever a launcher's command line or configuration could say;
- it stays as the builder's parent and writes down how that ended and what it cost, so that a signal is not taken for an exit code above 128;
- it enlarges the log's pipe, so that the builder goes on while nobody reads for a moment;
- between fork and exec it closes all descriptors, installs the seccomp filter, gives up the host's abstract sockets, and where wanted enters a user namespace of uid 1000.

It is shown to nobody: the launch script opens it as descriptor 4 and the sandbox starts /proc/self/fd/4; what it has to say goes to a file opened
as 5.
*/

import { readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ByteString, byteStringOfText } from "@firn/base";
import { BuildError, type SandboxJob, type SandboxResult } from "@firn/build";
import { elfProgram, type ProgramData, SCRATCH_ADDRESS } from "./elf-program.ts";
import type { Machine, Step } from "./machine-code.ts";
import { seccompFilter } from "./seccomp.ts";
import { shellQuote } from "./shell-quote.ts";

/** uid and gid builders have, as in C++ Nix. */
export const BUILDER_UID = 1000;
export const BUILDER_GID = 100;

const PROGRAM_FD = 4;
const REPORT_FD = 5;
/** Where launchers put pipes of their own between, the log and an empty input as they were before. */
const LOG_FD = 6;
const EMPTY_FD = 7;
/** The line that says the sandbox is set up, in the status pipe's form (run-job.ts). */
const STARTED = '{ "started": true }\n';
const MESSAGE = "the builder cannot be executed: it is missing, not executable, or for another kind of machine\n";
/** How a failure of the program's own before the builder is started shows. */
export const SETUP_FAILED = 126;
export const SETUP_MESSAGE = "the builder's user namespace, working directory or seccomp filter could not be set up\n";

export type StartOptions = {
  /**
   * For launchers that tell nothing themselves, do not take the program along when they die, and stand between it and the log: whether it is to say
   * `started` on descriptor 3, to be killed with its parent, and to have the log for itself; what they say is then in `readLauncherLog`.
   */
  readonly announces?: boolean;
  /** What is to be covered by emptiness, which takes root. */
  readonly covers?: { readonly directories: readonly string[]; readonly files: readonly string[] };
  /** Whether the root is made read-only, what is mounted below staying as it is; takes root too. */
  readonly sealsRoot?: boolean;
  /** Whether the builder is put into a user namespace of its own, as uid 1000 without capabilities, in its working directory. */
  readonly becomesBuilder?: boolean;
};

/** How the builder ended and what it cost. */
export type StartReport = Omit<SandboxResult, "end" | "outputs"> & {
  readonly code?: number;
  readonly signal?: number;
};

/** The same for all jobs. */
let filter: Uint8Array | undefined;

/** What a launch script is to start instead of the job's argv. */
export const START_ARGV: readonly ByteString[] = [`/proc/self/fd/${PROGRAM_FD}`];
/** How many descriptors from 3 on it needs to inherit. */
export const START_FDS = EMPTY_FD - 2;

/** Writes the program into `directory`, which the job does not see; yields the lines for the launch script that open it. */
export function writeStartProgram(directory: string, job: SandboxJob, options: StartOptions = {}): ByteString {
  const machine = process.arch;
  if (machine !== "x64" && machine !== "arm64")
    throw new BuildError("unsupported", `builders are started on x86-64 and aarch64, not on ${machine}`);
  filter ??= seccompFilter(machine);
  const program = startProgram(machine, job, { ...options, filter });
  const start = join(directory, "start");
  // In one go: what a process forked meanwhile holds open for writing cannot be executed.
  writeFileSync(start, program, { mode: 0o700 });
  const file = (path: string) => shellQuote(byteStringOfText(path));
  const said = options.announces
    ? ` ${LOG_FD}>&1 ${EMPTY_FD}< /dev/null > ${file(join(directory, LAUNCHER_LOG))} 2>&1`
    : "";
  return `exec ${PROGRAM_FD}< ${file(start)} ${REPORT_FD}> ${file(join(directory, REPORT))}${said} || exit\n`;
}

const REPORT = "report";
const LAUNCHER_LOG = "said";
/** The report: a wait status in 8 bytes, then struct rusage (getrusage(2)). */
const RUSAGE_AT = 8;
const RUSAGE_BYTES = 144;

/** What the program wrote down in `directory`; undefined when it did not get that far. */
export function readStartReport(directory: string): StartReport | undefined {
  let report: Buffer;
  try {
    report = readFileSync(join(directory, REPORT));
  } catch {
    return undefined;
  }
  if (report.length !== RUSAGE_AT + RUSAGE_BYTES) return undefined;
  const status = report.readInt32LE(0);
  const number = (index: number) => Number(report.readBigInt64LE(RUSAGE_AT + 8 * index));
  return {
    ...((status & 0x7f) === 0 ? { code: (status >> 8) & 0xff } : { signal: status & 0x7f }),
    cpuUserMs: number(0) * 1000 + number(1) / 1000,
    cpuSystemMs: number(2) * 1000 + number(3) / 1000,
    memoryPeakBytes: number(4) * 1024,
    ioReadBytes: number(11) * 512,
    ioWriteBytes: number(12) * 512,
  };
}

/** What a launcher said of which the log shows nothing; empty where there is none. */
export function readLauncherLog(directory: string): Promise<string> {
  return readFile(join(directory, LAUNCHER_LOG), "utf8").catch(() => "");
}

/** The program as an ELF file; exported for its test. */
export function startProgram(
  machine: Machine,
  job: SandboxJob,
  options: StartOptions & { readonly filter?: Uint8Array },
): Uint8Array {
  return elfProgram(machine, (data) => stepsOf(job, options, data));
}

const AT_FDCWD = -100;
const O_WRONLY = 1;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1;
const CLONE_NEWUSER = 0x10000000;
/** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC. */
const MS_READ_ONLY_AND_PLAIN = 15;
const MS_BIND = 4096;
const MS_REMOUNT = 32;
const MS_RDONLY = 1;
const RLIMIT_FSIZE = 1;
const F_SETPIPE_SZ = 1031;
/** As large as everybody may make one. */
const PIPE_BYTES = 1024 * 1024;
const SIGKILL = 9;
const SIGCHLD = 17;

function stepsOf(job: SandboxJob, options: StartOptions & { readonly filter?: Uint8Array }, data: ProgramData): Step[] {
  const steps: Step[] = [];
  const call = (name: Extract<Step, { op: "call" }>["name"], ...values: (number | "result")[]) =>
    steps.push({ op: "call", name, arguments: values });
  const branch = (condition: Extract<Step, { op: "branch" }>["if"], to: string) =>
    steps.push({ op: "branch", if: condition, to });
  const label = (name: string) => steps.push({ op: "label", name });
  const say = (fd: number, text: string) => call("write", fd, data.text(text), text.length);

  if (options.announces) {
    call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    say(3, STARTED);
    call("dup3", EMPTY_FD, 0, 0);
    call("dup3", LOG_FD, 1, 0);
    call("dup3", LOG_FD, 2, 0);
  }
  call("fcntl", 1, F_SETPIPE_SZ, PIPE_BYTES); // refused to who has many; then a builder waits more often for its log to be read
  for (const directory of options.covers?.directories ?? []) {
    const tmpfs = data.text("tmpfs");
    call("mount", tmpfs, data.text(directory), tmpfs, MS_READ_ONLY_AND_PLAIN, 0);
    branch("negative", "failed");
  }
  for (const file of options.covers?.files ?? []) {
    call("mount", data.text("/dev/null"), data.text(file), 0, MS_BIND, 0); // refused where the launcher has covered it already
  }
  if (options.sealsRoot) {
    call("mount", 0, data.text("/"), 0, MS_BIND | MS_REMOUNT | MS_RDONLY, 0);
    branch("negative", "failed");
  }
  call("clone", SIGCHLD, 0, 0, 0, 0);
  branch("zero", "child");
  branch("negative", "failed");
  steps.push({ op: "keep" });
  label("wait"); // also for orphans, where this is the first process of its namespace
  call("wait4", -1, SCRATCH_ADDRESS, 0, SCRATCH_ADDRESS + RUSAGE_AT);
  branch("kept", "ended");
  branch("negative", "failed");
  branch("always", "wait");
  label("ended");
  call("write", REPORT_FD, SCRATCH_ADDRESS, RUSAGE_AT + RUSAGE_BYTES);
  steps.push({ op: "exit-as", address: SCRATCH_ADDRESS });

  label("child");
  if (options.becomesBuilder) {
    call("chdir", data.text(`/${job.workingDirectory}`));
    branch("negative", "failed");
    call("unshare", CLONE_NEWUSER);
    branch("negative", "failed");
    // One line each, for the caller's own ids: user_namespaces(7) asks for no capability then, but for setgroups to be given up.
    for (const [file, line] of [
      ["setgroups", "deny"],
      ["uid_map", `${BUILDER_UID} 0 1`],
      ["gid_map", `${BUILDER_GID} 0 1`],
    ]) {
      call("openat", AT_FDCWD, data.text(`/proc/self/${file}`), O_WRONLY, 0);
      branch("negative", "failed");
      call("write", "result", data.text(line), line.length);
      branch("negative", "failed");
    }
  }
  if (job.buildSpaceBytes !== undefined) {
    // Not set before: runtimes copy themselves on their way here.
    call("prlimit64", 0, RLIMIT_FSIZE, data.words([job.buildSpaceBytes, job.buildSpaceBytes]), 0);
    branch("negative", "failed");
  }
  for (let fd = 3; fd < 10; fd++) call("close", fd); // all there are; for kernels that do not know the next one
  call("close_range", 3, 0x7fffffff, 0);
  if (options.filter !== undefined) {
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    // Abstract sockets belong to a network namespace: where that is the host's, its processes could be handed descriptors. Kernels before 6.12 refuse.
    call("landlock_create_ruleset", data.words([0, 0, LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET]), 24, 0);
    branch("negative", "unscoped");
    call("landlock_restrict_self", "result", 0);
    label("unscoped");
    call("seccomp", SECCOMP_SET_MODE_FILTER, 0, data.words([options.filter.length / 8, data.bytes(options.filter)]));
    branch("negative", "failed");
  }
  const [program, ...rest] = job.argv;
  const env = job.env.filter(({ name }) => name !== "PWD").map(({ name, value }) => `${name}=${value}`);
  env.push(`PWD=/${job.workingDirectory}`);
  call("execve", data.text(program), data.pointers([job.argv0 ?? program, ...rest]), data.pointers(env));
  say(2, MESSAGE);
  call("exit_group", 127);
  label("failed");
  say(2, SETUP_MESSAGE);
  call("exit_group", SETUP_FAILED);
  return steps;
}
