/*
The program a sandbox starts, which starts the builder: a small ELF file without libraries, made for each job. It does what no launcher does for
all of them, and so makes them alike:

- arguments, environment and the name in argv[0] are in it, byte for byte, whatever a launcher's command line or configuration could say;
- it stays as the builder's parent and writes down how that ended and what it cost, so that a signal is not taken for an exit code above 128;
- between fork and exec it closes all descriptors, installs the seccomp filter, and where wanted enters a user namespace of uid 1000.

It is shown to nobody: the launch script opens it as descriptor 4 and the sandbox starts /proc/self/fd/4; what it has to say goes to a file opened
as 5. The script also copies it, since a file that any process still holds open for writing cannot be executed, and processes started meanwhile
by others would hold ours.
*/

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesOf, type ByteString, byteStringOfText } from "@firn/base";
import { BuildError, type SandboxJob, type SandboxResult } from "@firn/build";
import { assemble, ELF_MACHINES, type Machine, type Step } from "./machine-code.ts";
import { findProgram } from "./programs.ts";
import { seccompFilter } from "./seccomp.ts";
import { shellWords } from "./shell-quote.ts";

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

/** What a launch script is to start instead of the job's argv. */
export const START_ARGV: readonly ByteString[] = [`/proc/self/fd/${PROGRAM_FD}`];
/** How many descriptors from 3 on it needs to inherit. */
export const START_FDS = EMPTY_FD - 2;

/** Writes the program into `directory`, which the job does not see; yields the lines for the launch script that open it. */
export async function writeStartProgram(
  directory: string,
  job: SandboxJob,
  options: StartOptions = {},
): Promise<ByteString> {
  const machine = process.arch;
  if (machine !== "x64" && machine !== "arm64")
    throw new BuildError("unsupported", `builders are started on x86-64 and aarch64, not on ${machine}`);
  const made = join(directory, "start.made");
  await writeFile(made, startProgram(machine, job, { ...options, filter: seccompFilter(machine) }), { mode: 0o700 });
  const start = byteStringOfText(join(directory, "start"));
  const report = byteStringOfText(join(directory, REPORT));
  const copy = shellWords([byteStringOfText((await findProgram("cp")) ?? "cp"), byteStringOfText(made), start]);
  const said = shellWords([byteStringOfText(join(directory, LAUNCHER_LOG))]);
  const direct = options.announces ? ` ${LOG_FD}>&1 ${EMPTY_FD}< /dev/null > ${said} 2>&1` : "";
  return `${copy} && exec ${PROGRAM_FD}< ${shellWords([start])} ${REPORT_FD}> ${shellWords([report])}${direct} || exit\n`;
}

const REPORT = "report";
const LAUNCHER_LOG = "said";
/** The report: a wait status in 8 bytes, then struct rusage (getrusage(2)). */
const RUSAGE_AT = 8;
const RUSAGE_BYTES = 144;

/** What the program wrote down in `directory`; undefined when it did not get that far. */
export async function readStartReport(directory: string): Promise<StartReport | undefined> {
  const report = await readFile(join(directory, REPORT)).catch(() => undefined);
  if (report === undefined || report.length !== RUSAGE_AT + RUSAGE_BYTES) return undefined;
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

/** Where the kernel puts the program, and the page for what the kernel writes; any will do that suit pages of 64 KiB. */
const ADDRESS = 0x400000;
const SCRATCH_ADDRESS = 0x10000;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const CODE_AT = ELF_HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES;

/** The program as an ELF file; exported for its test. */
export function startProgram(
  machine: Machine,
  job: SandboxJob,
  options: StartOptions & { readonly filter?: Uint8Array },
): Uint8Array {
  // The code's length does not depend on addresses, so a first round with none tells where the data begins.
  const codeBytes = assemble(machine, stepsOf(job, options, new StartData(0)).steps).length;
  const dataAt = Math.ceil((CODE_AT + codeBytes) / 8) * 8;
  const { steps, data } = stepsOf(job, options, new StartData(ADDRESS + dataAt));
  const contents = data.bytes();
  const elf = new Uint8Array(dataAt + contents.length);
  const view = new DataView(elf.buffer);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little endian, version 1
  view.setUint16(16, 2, true); // an executable
  view.setUint16(18, ELF_MACHINES[machine], true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(ADDRESS + CODE_AT), true); // begins here
  view.setBigUint64(32, BigInt(ELF_HEADER_BYTES), true); // program headers
  view.setUint16(52, ELF_HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, 2, true);
  segment(view, ELF_HEADER_BYTES, { flags: 5, address: ADDRESS, fileBytes: elf.length, memoryBytes: elf.length }); // read, execute
  const scratch = { flags: 6, address: SCRATCH_ADDRESS, fileBytes: 0, memoryBytes: 4096 }; // read, write; no part of the file
  segment(view, ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES, scratch);
  elf.set(assemble(machine, steps), CODE_AT);
  elf.set(contents, dataAt);
  return elf;
}

function segment(
  view: DataView,
  at: number,
  of: {
    readonly flags: number;
    readonly address: number;
    readonly fileBytes: number;
    readonly memoryBytes: number;
  },
): void {
  view.setUint32(at, 1, true); // to be loaded
  view.setUint32(at + 4, of.flags, true);
  view.setBigUint64(at + 16, BigInt(of.address), true);
  view.setBigUint64(at + 24, BigInt(of.address), true);
  view.setBigUint64(at + 32, BigInt(of.fileBytes), true);
  view.setBigUint64(at + 40, BigInt(of.memoryBytes), true);
  view.setBigUint64(at + 48, 0x10000n, true);
}

const AT_FDCWD = -100;
const O_WRONLY = 1;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const CLONE_NEWUSER = 0x10000000;
/** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC. */
const MS_READ_ONLY_AND_PLAIN = 15;
const MS_BIND = 4096;
const MS_REMOUNT = 32;
const MS_RDONLY = 1;
const SIGKILL = 9;
const SIGCHLD = 17;

function stepsOf(
  job: SandboxJob,
  options: StartOptions & { readonly filter?: Uint8Array },
  data: StartData,
): { steps: Step[]; data: StartData } {
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
  for (let fd = 3; fd < 10; fd++) call("close", fd); // all there are; for kernels that do not know the next one
  call("close_range", 3, 0x7fffffff, 0);
  if (options.filter !== undefined) {
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    call("seccomp", SECCOMP_SET_MODE_FILTER, 0, data.filter(options.filter));
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
  return { steps, data };
}

/** What the program needs besides instructions, laid out from an address on. */
class StartData {
  readonly #parts: Uint8Array[] = [];
  readonly #from: number;
  #length = 0;

  constructor(from: number) {
    this.#from = from;
  }

  /** A NUL-terminated string's address. */
  text(text: ByteString): number {
    return this.#put(bytesOf(`${text}\0`));
  }

  /** The address of an array of strings, as execve(2) takes them. */
  pointers(texts: readonly ByteString[]): number {
    const table = new BigUint64Array([...texts.map((text) => BigInt(this.text(text))), 0n]);
    return this.#put(new Uint8Array(table.buffer));
  }

  /** The address of a struct sock_fprog. */
  filter(program: Uint8Array): number {
    return this.#put(
      new Uint8Array(new BigUint64Array([BigInt(program.length / 8), BigInt(this.#put(program))]).buffer),
    );
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }

  #put(bytes: Uint8Array): number {
    const at = this.#length;
    const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8);
    padded.set(bytes);
    this.#parts.push(padded);
    this.#length += padded.length;
    return this.#from + at;
  }
}
