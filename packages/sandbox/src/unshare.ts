/*
The sandbox where bubblewrap is missing: the same namespaces and mounts, made by util-linux's unshare(1), mount(8) and pivot_root(8) from a shell
script. Slower with many inputs (one process for each mount), otherwise alike; README.md lists what differs.

The last steps are the delicate ones. After pivot_root the host's tree must go before the builder starts, yet one more host program has to run for
that. So the script stands in the old root while that is detached from the tree, and reaches the program by paths relative to where it stands,
through its loader. Then the start program, which needs nothing, becomes uid 1000 of an inner user namespace without any capability over the mounts.
*/

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesOf, type ByteString, byteStringOfText, textOf } from "@firn/base";
import { BuildError } from "@firn/build";
import { hiddenProcFiles, readOnlyProcPaths } from "./hidden-proc.ts";
import { DEVICES, hostPathOf, type JobSpace } from "./job-space.ts";
import type { Launcher } from "./launched-sandbox.ts";
import { findProgram, requireProgram, throughLoader } from "./programs.ts";
import { shellQuote, shellWords } from "./shell-quote.ts";
import { START_ARGV } from "./start-program.ts";

type Programs = {
  readonly mount: string;
  readonly umount: string;
  readonly pivotRoot: string;
  /** ip(8) and hostname(1), which alone can bring up the loopback device and set the name; builds go without where they are missing. */
  readonly ip: string | undefined;
  readonly hostname: string | undefined;
};

/** Throws `unsupported` where a program it needs is missing; whether they work shows when they are used. */
export async function unshare(): Promise<Launcher> {
  const utility = (name: string) => requireProgram(name, "util-linux");
  const programs: Programs = {
    mount: utility("mount"),
    umount: utility("umount"),
    pivotRoot: utility("pivot_root"),
    ip: findProgram("ip"),
    hostname: findProgram("hostname"),
  };
  const [setpriv, program] = [utility("setpriv"), utility("unshare")];
  return {
    name: "unshare",
    isolation: { files: true, network: true, processes: true },
    start: { becomesBuilder: true },
    async launch(space, job) {
      if (job.sandboxed === false) {
        const message =
          "unshare(1) cannot show the host's files read-only with all that is mounted below; install bubblewrap";
        throw new BuildError("unsupported", message);
      }
      await mkdir(join(space.root, ".old"), { mode: 0o700 });
      const inner = join(space.directory, "inside");
      await writeFile(inner, bytesOf(await insideScript(space, programs)));
      // Whoever dies takes the next along: us the launcher (setpriv), it the first process inside (--kill-child).
      const namespaces = ["--user", "--map-root-user", "--mount", "--uts", "--ipc", "--pid", "--cgroup"];
      if (!space.network) namespaces.push("--net");
      const command = [setpriv, "--pdeathsig", "KILL", program, ...namespaces, "--fork", "--kill-child", "/bin/sh"];
      return `exec ${shellWords([...command, inner].map(byteStringOfText))}\n`;
    },
  };
}

/** Run as root and pid 1 of the new namespaces; becomes the builder's reaper. */
async function insideScript(
  space: JobSpace,
  { mount, umount, pivotRoot, ip, hostname }: Programs,
): Promise<ByteString> {
  const host = (text: string) => shellQuote(byteStringOfText(text));
  const root = host(space.root);
  const inRoot = (path: string) => host(join(space.root, path));
  const lines = [
    "set -e",
    "read pid rest < /proc/self/stat",
    `printf '{ "child-pid": %s }\\n' "$pid" >&3`,
    `bind() { ${host(mount)} --bind "$1" "$2"; }`,
    `show() { ${host(mount)} -o bind,ro,nosuid,nodev "$1" "$2"; }`,
    `bind ${root} ${root}`,
    ...space.writable.map((path) => `bind ${host(hostPathOf(space, path))} ${inRoot(textOf(path))}`),
    ...DEVICES.map((name) => `bind /dev/${name} ${inRoot(`dev/${name}`)}`),
    `${host(mount)} -t tmpfs -o mode=1777,nosuid,nodev tmpfs ${inRoot("dev/shm")}`,
    `${host(mount)} -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts ${inRoot("dev/pts")}`,
    `${host(mount)} -t proc -o nosuid,nodev,noexec proc ${inRoot("proc")}`,
    ...space.mounts.map(
      ({ hostPath, path, kind }) =>
        `${kind === "read-only" ? "show" : "bind"} ${host(hostPath)} ${inRoot(textOf(path))}`,
    ),
    ...(hostname === undefined ? [] : [`${host(hostname)} localhost`]),
    ...(ip !== undefined && !space.network ? [`${host(ip)} link set lo up 2> /dev/null || true`] : []),
    // The last namespace the builder may be in: it cannot make one in which it would have rights over mounts again.
    "echo 1 > /proc/sys/user/max_user_namespaces",
    ...(await hiddenProcFiles()).map((file) => `bind /dev/null ${inRoot(file)}`),
    ...(await readOnlyProcPaths()).map(
      (path) => `${host(mount)} -o bind,ro,nosuid,nodev,noexec ${inRoot(path)} ${inRoot(path)}`,
    ),
    `${host(mount)} -o remount,bind,ro,nosuid,nodev ${root}`,
    `cd ${root}`,
    `${host(pivotRoot)} . .old`,
    "cd /.old",
    `${await fromHere(umount)} -l /.old`,
    "set +e",
    `${shellWords(START_ARGV)} 3>&- < /dev/null &`,
    "cd /",
    "wait $!",
    `printf '{ "exit-code": %s }\\n' $? >&3`,
  ];
  return `${lines.join("\n")}\n`;
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
