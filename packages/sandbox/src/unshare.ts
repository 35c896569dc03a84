/*
The sandbox where bubblewrap is missing: the same namespaces and mounts, made by util-linux's unshare(1), mount(8) and pivot_root(8) from a shell
script. Slower with many inputs (one process for each mount), otherwise alike; README.md lists what differs.

The last steps are the delicate ones. After pivot_root the host's tree must go before the builder starts, yet one more host program has to run: a second
unshare, which turns root of the first user namespace into uid 1000 of an inner one without any capability over the mounts. So the script stands in
the old root while that is detached from the tree, and reaches programs by paths relative to where it stands, through their loader.
*/

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesOf, type ByteString, byteStringOfText } from "@firn/base";
import { BuildError, type Sandbox, type SandboxJob, type SandboxRun } from "@firn/build";
import { BUILDER_GID, BUILDER_UID, hostPathOf, type JobSpace, makeJobSpace } from "./job-space.ts";
import { namedStart } from "./named-start.ts";
import { findProgram, throughLoader } from "./programs.ts";
import { removeTree } from "./remove-tree.ts";
import { runJob } from "./run-job.ts";
import type { Shell } from "./shell.ts";
import { shellQuote, shellWords } from "./shell-quote.ts";

const PROGRAMS = ["env", "mount", "pivot_root", "prlimit", "setpriv", "umount", "unshare"] as const;
const DEVICES = ["full", "null", "random", "tty", "urandom", "zero"];

type Programs = Readonly<Record<(typeof PROGRAMS)[number], string>>;

export class Unshare implements Sandbox {
  readonly name = "unshare";
  readonly isolation = { files: true, network: true, processes: true };
  readonly #stateDir: string;
  readonly #shell: Shell | undefined;
  readonly #programs: Programs;
  /** ip(8) and hostname(1), which alone can bring up the loopback device and set the name; builds go without where they are missing. */
  readonly #ip: string | undefined;
  readonly #hostname: string | undefined;

  private constructor(
    stateDir: string,
    shell: Shell | undefined,
    programs: Programs,
    ip: string | undefined,
    hostname: string | undefined,
  ) {
    this.#stateDir = stateDir;
    this.#shell = shell;
    this.#programs = programs;
    this.#ip = ip;
    this.#hostname = hostname;
  }

  /** Throws `unsupported` where a program it needs is missing; whether they work shows when they are used. */
  static async open(stateDir: string, shell: Shell | undefined): Promise<Unshare> {
    const programs: Partial<Record<(typeof PROGRAMS)[number], string>> = {};
    for (const name of PROGRAMS) {
      const path = await findProgram(name);
      if (path === undefined)
        throw new BuildError("unsupported", `the program ${name} (util-linux, coreutils) is missing`);
      programs[name] = path;
    }
    return new Unshare(stateDir, shell, programs as Programs, await findProgram("ip"), await findProgram("hostname"));
  }

  async run(job: SandboxJob, onLog: (bytes: Uint8Array) => void, signal: AbortSignal): Promise<SandboxRun> {
    const space = await makeJobSpace(this.#stateDir, job, this.#shell);
    const dispose = () => removeTree(space.directory);
    try {
      await mkdir(join(space.root, ".old"), { mode: 0o700 });
      const inner = join(space.directory, "inside");
      const start = await namedStart(job, space.directory);
      await writeFile(inner, bytesOf(await this.#insideScript(space, { ...job, argv: start.argv })));
      const script = `${start.script}${this.#launchScript(inner, job)}`;
      const result = await runJob(space, job, { script, execFailed: /^$/ }, onLog, signal);
      return { result, dispose, [Symbol.asyncDispose]: dispose };
    } catch (thrown) {
      await dispose();
      throw thrown;
    }
  }

  /** Makes the namespaces. Whoever dies takes the next along: us the launcher (setpriv), it the first process inside (--kill-child). */
  #launchScript(inner: string, job: SandboxJob): ByteString {
    const { prlimit, setpriv, unshare } = this.#programs;
    const limit = job.buildSpaceBytes === undefined ? [] : [prlimit, `--fsize=${job.buildSpaceBytes}`];
    const namespaces = ["--user", "--map-root-user", "--mount", "--uts", "--ipc", "--pid", "--cgroup"];
    if (!job.network) namespaces.push("--net");
    const command = [
      ...limit,
      setpriv,
      "--pdeathsig",
      "KILL",
      unshare,
      ...namespaces,
      "--fork",
      "--kill-child",
      "/bin/sh",
      inner,
    ];
    return `exec ${shellWords(command.map(byteStringOfText))}\n`;
  }

  /** Run as root and pid 1 of the new namespaces; becomes the builder's reaper. */
  async #insideScript(space: JobSpace, job: SandboxJob): Promise<ByteString> {
    const host = (text: string) => shellQuote(byteStringOfText(text));
    const { mount } = this.#programs;
    const root = host(space.root);
    const env = job.env.filter(({ name }) => name !== "PWD").map(({ name, value }) => `${name}=${value}`);
    env.push(`PWD=/${job.workingDirectory}`);
    const become = [
      "--user",
      `--map-user=${BUILDER_UID}`,
      `--map-group=${BUILDER_GID}`,
      `--wd=/${job.workingDirectory}`,
      "--",
    ];
    const lines = [
      "set -e",
      "read pid rest < /proc/self/stat",
      `printf '{ "child-pid": %s }\\n' "$pid" >&3`,
      `bind() { ${host(mount)} --bind "$1" "$2"; }`,
      `show() { ${host(mount)} -o bind,ro,nosuid,nodev "$1" "$2"; }`,
      `bind ${root} ${root}`,
      ...space.writable.map((path) => `bind ${host(hostPathOf(space, path))} ${host(hostPathOf(space, path))}`),
      ...DEVICES.map((name) => `bind /dev/${name} ${host(join(space.root, "dev", name))}`),
      `${host(mount)} -t tmpfs -o mode=1777,nosuid,nodev tmpfs ${host(join(space.root, "dev/shm"))}`,
      `${host(mount)} -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts ${host(join(space.root, "dev/pts"))}`,
      `${host(mount)} -t proc -o nosuid,nodev,noexec proc ${host(join(space.root, "proc"))}`,
      ...space.readOnly.map(({ hostPath, path }) => `show ${host(hostPath)} ${host(hostPathOf(space, path))}`),
      ...(this.#hostname === undefined ? [] : [`${host(this.#hostname)} localhost`]),
      ...(this.#ip !== undefined && !job.network ? [`${host(this.#ip)} link set lo up 2> /dev/null || true`] : []),
      `${host(mount)} -o remount,bind,ro,nosuid,nodev ${root}`,
      `cd ${root}`,
      `${host(this.#programs.pivot_root)} . .old`,
      "cd /.old",
      `${await fromHere(this.#programs.umount)} -l /.old`,
      // The last namespace the builder may be in: it cannot make one in which it would have rights over mounts again.
      "echo 1 > /proc/sys/user/max_user_namespaces",
      "set +e",
      `${await fromHere(this.#programs.env)} -i ${shellWords(env)} ${await fromHere(this.#programs.unshare)} ${shellWords([...become, ...job.argv])} 3>&- < /dev/null &`,
      "cd /",
      "wait $!",
      `printf '{ "exit-code": %s }\\n' $? >&3`,
    ];
    return `${lines.join("\n")}\n`;
  }
}

/** A program of the host as words for a shell that stands in the host's root, wherever that is by then. */
async function fromHere(program: string): Promise<ByteString> {
  const relative = (path: string) => path.slice(1);
  const loaded = await throughLoader(program);
  if (loaded === undefined) return shellQuote(byteStringOfText(relative(program)));
  const libraryPath = loaded.libraryPath.split(":").map(relative).join(":");
  return shellWords(
    [relative(loaded.loader), "--library-path", libraryPath, relative(loaded.program)].map(byteStringOfText),
  );
}
