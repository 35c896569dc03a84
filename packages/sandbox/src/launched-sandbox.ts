/*
A sandbox that a program of the host makes: all that bubblewrap, OCI runtimes, systemd-nspawn and unshare(1) have in common, which is everything
but a few lines of script. Those are the launcher's; the job's directory, its cgroup, its start program and its end are here.
*/

import { join } from "node:path";
import { byteStringOfText } from "@firn/base";
import { BuildError, type Sandbox, type SandboxJob, type SandboxRun, type Turn } from "@firn/build";
import type { Cgroups } from "./cgroups.ts";
import { SharedRoots } from "./job-root.ts";
import { type JobSpace, makeJobSpace, type SandboxPath } from "./job-space.ts";
import { launchChild, LaunchShell, scriptPath } from "./launch-shell.ts";
import { LogPipes } from "./log-pipe.ts";
import { removeTree } from "./remove-tree.ts";
import { runJob } from "./run-job.ts";
import type { Shell } from "./shell.ts";
import { shellQuote } from "./shell-quote.ts";
import { type StartOptions, writeStartProgram } from "./start-program.ts";

/** What there is beside jobs' directories in the state directory. */
export const PIPES = "pipes";
export const ROOTS = "roots";

/** What one kind of sandbox adds. */
export type Launcher = {
  readonly name: string;
  readonly isolation: Sandbox["isolation"];
  /** Whether it leaves the space's root as it is, so that jobs can share one. */
  readonly sharesRoot?: boolean;
  /** What the program it starts has to do for it. */
  readonly start: StartOptions;
  /**
   * The end of the job's launch script (run-job.ts says what it must report): sets up the sandbox and starts START_ARGV in it, in the working
   * directory, with descriptors 0 to 7 as they are. May write to the space's directory. Throws `unsupported` for a job it cannot run.
   */
  launch(space: JobSpace, job: SandboxJob): Promise<string>;
};

export type SandboxHost = {
  /** Where jobs have their directories. */
  readonly stateDir: string;
  readonly shell: Shell | undefined;
  /** Absent where there are no rights over them. */
  readonly cgroups?: Cgroups;
  readonly paths?: readonly SandboxPath[];
  /** Whether jobs may have `sandboxed: false`. */
  readonly relaxed?: boolean;
};

export class LaunchedSandbox implements Sandbox {
  readonly name: string;
  readonly isolation: Sandbox["isolation"];
  readonly #launcher: Launcher;
  readonly #host: SandboxHost;
  readonly #pipes: LogPipes;
  readonly #roots: SharedRoots;
  readonly #shell: LaunchShell | undefined;

  constructor(launcher: Launcher, host: SandboxHost) {
    this.name = launcher.name;
    this.isolation = launcher.isolation;
    this.#launcher = launcher;
    this.#host = host;
    this.#pipes = new LogPipes(join(host.stateDir, PIPES));
    this.#roots = new SharedRoots(join(host.stateDir, ROOTS));
    this.#shell = launcher.start.announces ? undefined : LaunchShell.find(host.stateDir);
  }

  async run(
    job: SandboxJob,
    onLog: (bytes: Uint8Array) => void,
    signal: AbortSignal,
    turn?: Turn,
  ): Promise<SandboxRun> {
    const { cgroups, stateDir } = this.#host;
    if (job.memoryBytes !== undefined && cgroups === undefined) {
      const message =
        "memory can be limited only with rights over cgroups (the memory controller), which are missing here";
      throw new BuildError("unsupported", message);
    }
    if (job.sandboxed === false && !this.#host.relaxed) {
      const message =
        "the job wants to see the host's files and network (__noChroot), which only a relaxed sandbox allows";
      throw new BuildError("unsupported", message);
    }
    const roots = this.#launcher.sharesRoot ? this.#roots : undefined;
    const space = await makeJobSpace(stateDir, job, { ...this.#host, roots });
    const dispose = () => removeTree(space.directory);
    try {
      // To enter the trees of version 1 takes as long as all the rest of a start: only where a limit asks for it.
      const isWorthIt = cgroups?.version === 2 || job.memoryBytes !== undefined;
      await using cgroup = isWorthIt ? await cgroups?.make(space.name, job) : undefined;
      const entering =
        cgroup?.entries.map((file) => `echo "$pid" > ${shellQuote(byteStringOfText(file))} || exit\n`) ?? [];
      const starting = writeStartProgram(space.directory, job, this.#launcher.start);
      const script = `${entering.join("")}${starting}${await this.#launcher.launch(space, job)}`;
      const launch = ({ name, directory }: JobSpace) => this.#shell?.launch(name) ?? launchChild(scriptPath(directory));
      const result = await runJob(space, job, { script, launch, cgroup, pipes: this.#pipes, onLog, signal, turn });
      return { result, dispose, [Symbol.asyncDispose]: dispose };
    } catch (thrown) {
      await dispose();
      throw thrown;
    }
  }
}
