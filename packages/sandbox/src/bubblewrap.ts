/*
The default sandbox: bubblewrap (bwrap), which sets up namespaces and mounts without any right of ours. Options come in a file by `--args`, so that
neither their number nor the environment's size meets the limits of a command line before the builder's own are reached.

The builder sees root/ read-only with its writable parts and the inputs mounted in, a /dev of six devices, its own /proc, no network but a loopback
of its own unless asked, and is uid 1000 of a user namespace without capabilities.
*/

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesOf, type ByteString, byteStringOfText } from "@firn/base";
import { BuildError, type Sandbox, type SandboxJob, type SandboxRun } from "@firn/build";
import { BUILDER_GID, BUILDER_UID, hostPathOf, type JobSpace, makeJobSpace } from "./job-space.ts";
import { namedStart } from "./named-start.ts";
import { findProgram } from "./programs.ts";
import { removeTree } from "./remove-tree.ts";
import { runJob } from "./run-job.ts";
import type { Shell } from "./shell.ts";
import { shellQuote, shellWords } from "./shell-quote.ts";

/** Most words in `--args`; bwrap refuses more than 9000, the few on its command line included. */
const ARGS_MAX = 8990;

export class Bubblewrap implements Sandbox {
  readonly name = "bubblewrap";
  readonly isolation = { files: true, network: true, processes: true };
  readonly #stateDir: string;
  readonly #shell: Shell | undefined;
  readonly #bwrap: string;
  readonly #prlimit: string | undefined;

  private constructor(stateDir: string, shell: Shell | undefined, bwrap: string, prlimit: string | undefined) {
    this.#stateDir = stateDir;
    this.#shell = shell;
    this.#bwrap = bwrap;
    this.#prlimit = prlimit;
  }

  /** Throws `unsupported` where bwrap is not installed; whether it works shows when it is used. */
  static async open(stateDir: string, shell: Shell | undefined): Promise<Bubblewrap> {
    const bwrap = await findProgram("bwrap");
    if (bwrap === undefined) throw new BuildError("unsupported", "bubblewrap is not installed (no program bwrap)");
    return new Bubblewrap(stateDir, shell, bwrap, await findProgram("prlimit"));
  }

  async run(job: SandboxJob, onLog: (bytes: Uint8Array) => void, signal: AbortSignal): Promise<SandboxRun> {
    const space = await makeJobSpace(this.#stateDir, job, this.#shell);
    const dispose = () => removeTree(space.directory);
    try {
      const script = await this.#launchScript(space, job);
      const result = await runJob(space, job, { script, execFailed: /^bwrap: execvp /m }, onLog, signal);
      return { result, dispose, [Symbol.asyncDispose]: dispose };
    } catch (thrown) {
      await dispose();
      throw thrown;
    }
  }

  async #launchScript(space: JobSpace, job: SandboxJob): Promise<ByteString> {
    const args = argumentsOf(space, job);
    if (args.length > ARGS_MAX) {
      const message = `bubblewrap takes at most ${ARGS_MAX} words of options, this job needs ${args.length} (3 for each input and variable); the unshare sandbox has no such limit`;
      throw new BuildError("unsupported", message);
    }
    const file = join(space.directory, "bwrap-args");
    await writeFile(file, bytesOf(args.map((word) => `${word}\0`).join("")));
    const limit =
      job.buildSpaceBytes !== undefined && this.#prlimit ? [this.#prlimit, `--fsize=${job.buildSpaceBytes}`] : [];
    const command = [...limit, this.#bwrap, "--json-status-fd", "3", "--args", "4", "--"].map(byteStringOfText);
    const start = await namedStart(job, space.directory);
    return `${start.script}exec 4<${shellQuote(byteStringOfText(file))}\nexec ${shellWords([...command, ...start.argv])}\n`;
  }
}

function argumentsOf(space: JobSpace, job: SandboxJob): ByteString[] {
  const host = byteStringOfText;
  const args = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"];
  if (job.network) args.push("--share-net");
  args.push("--uid", `${BUILDER_UID}`, "--gid", `${BUILDER_GID}`, "--hostname", "localhost");
  args.push("--ro-bind", host(space.root), "/");
  for (const path of space.writable) args.push("--bind", host(hostPathOf(space, path)), `/${path}`);
  args.push("--dev", "/dev", "--proc", "/proc");
  for (const { hostPath, path } of space.readOnly) args.push("--ro-bind", host(hostPath), `/${path}`);
  args.push("--clearenv");
  for (const { name, value } of job.env) args.push("--setenv", name, value);
  args.push("--chdir", `/${job.workingDirectory}`); // also sets PWD
  return args;
}
