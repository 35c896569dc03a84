/*
The directory of one job on the host, the same for every sandbox: a private root with everything a builder may write, and empty places where
the sandbox mounts what it may only read.

    <stateDir>/job-<pid>-<random>/     0700, so nothing a builder makes can be reached by others
      root/                            shown as / , read-only
        build/  tmp/  nix/store/       writable: working directory, /tmp, parents of the outputs
        etc/passwd ...                 the few files Nix's sandbox has
        nix/store/<input>              empty file or directory to mount on; a symlink is made as it is

All bytes a builder can write to disk lie below root/, so one measurement bounds them. The pid in the name lets a later process recognise and
remove what a killed one left behind.
*/

import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bytesOf, type ByteString, byteStringOfText, textOf } from "@firn/base";
import type { SandboxJob } from "@firn/build";
import { removeTree } from "./remove-tree.ts";
import type { Shell } from "./shell.ts";

/** Something to mount: `path` is a byte string, relative to the root inside. */
export type Mount = { readonly hostPath: string; readonly path: ByteString };

export type JobSpace = {
  /** The job's directory; also holds what a sandbox writes for itself. */
  readonly directory: string;
  readonly root: string;
  /** Directories below root/ that the builder may write, parents before children. */
  readonly writable: readonly ByteString[];
  /** What to mount read-only; a place for each exists. */
  readonly readOnly: readonly Mount[];
};

/** uid and gid builders have, as in C++ Nix. */
export const BUILDER_UID = 1000;
export const BUILDER_GID = 100;

const DEVICES = ["full", "null", "random", "tty", "urandom", "zero"];
const DEVICE_LINKS = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["ptmx", "pts/ptmx"],
];

/** Makes the directory of a job below `stateDir`, which exists. Nothing is left when it throws. */
export async function makeJobSpace(stateDir: string, job: SandboxJob, shell: Shell | undefined): Promise<JobSpace> {
  const directory = await mkdtemp(join(stateDir, `job-${process.pid}-`));
  try {
    return await fill(directory, job, shell);
  } catch (thrown) {
    await removeTree(directory);
    throw thrown;
  }
}

/** The host path of a path inside. */
export function hostPathOf(space: JobSpace, path: ByteString): string {
  return join(space.root, textOf(path));
}

/** Removes what jobs of processes that are gone left below `stateDir`. */
export async function sweepJobSpaces(stateDir: string): Promise<void> {
  for (const name of await readdir(stateDir)) {
    const pid = /^job-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await removeTree(join(stateDir, name));
  }
}

async function fill(directory: string, job: SandboxJob, shell: Shell | undefined): Promise<JobSpace> {
  const root = join(directory, "root");
  const writable = [...new Set(["tmp", job.workingDirectory, ...job.outputs.map(dirname)])].sort();
  const space: JobSpace = { directory, root, writable, readOnly: [] };
  await mkdir(root, { mode: 0o755 });
  for (const path of ["proc", "dev/pts", "dev/shm", "etc", "tmp", "bin"]) {
    await mkdir(join(root, path), { recursive: true, mode: 0o755 });
  }
  for (const path of writable) await mkdir(hostPathOf(space, path), { recursive: true, mode: 0o755 });
  await removeTree(hostPathOf(space, job.workingDirectory));
  await mkdir(hostPathOf(space, job.workingDirectory), { mode: 0o700 });
  for (const name of DEVICES) await writeFile(join(root, "dev", name), "");
  for (const [name, target] of DEVICE_LINKS) await symlink(target, join(root, "dev", name));
  await writeEtc(join(root, "etc"), job);

  const readOnly: Mount[] = [];
  const made = new Set<string>();
  const shown = job.shell && shell !== undefined ? shell.files : [];
  const wanted = [...job.inputs, ...shown.map(({ hostPath, path }) => ({ hostPath, path: byteStringOfText(path) }))];
  for (const mount of wanted) {
    const place = hostPathOf(space, mount.path);
    const parent = dirname(place);
    if (!made.has(parent)) await mkdir(parent, { recursive: true, mode: 0o755 });
    made.add(parent);
    // A shell's own files may be symlinks into the host and are shown as what they lead to; an input that is one is shown as it is.
    const stat = await lstat(mount.hostPath);
    if (stat.isSymbolicLink() && job.inputs.includes(mount)) {
      await symlink(await readlink(mount.hostPath, { encoding: "buffer" }), place);
      continue;
    }
    if (stat.isDirectory()) await mkdir(place);
    else await writeFile(place, "");
    readOnly.push(mount);
  }
  for (const { path, contents } of job.files) {
    const place = hostPathOf(space, path);
    await mkdir(dirname(place), { recursive: true, mode: 0o755 });
    await writeFile(place, bytesOf(contents), { flag: "wx", mode: 0o644 });
  }
  return { ...space, readOnly };
}

/** The files C++ Nix puts below /etc of its sandbox (linux-derivation-builder.cc), with the host's resolver for jobs with network. */
async function writeEtc(etc: string, job: SandboxJob): Promise<void> {
  const home = `/${textOf(job.workingDirectory)}`;
  const files: Record<string, string | Buffer> = {
    passwd:
      `root:x:0:0:Nix build user:${home}:/noshell\n` +
      `nixbld:x:${BUILDER_UID}:${BUILDER_GID}:Nix build user:${home}:/noshell\n` +
      "nobody:x:65534:65534:Nobody:/:/noshell\n",
    group: `root:x:0:\nnixbld:!:${BUILDER_GID}:\nnogroup:x:65534:\n`,
    hosts: "127.0.0.1 localhost\n::1 localhost\n",
  };
  if (job.network) {
    files["nsswitch.conf"] = "hosts: files dns\nservices: files\n";
    for (const name of ["resolv.conf", "services", "hosts"]) {
      // Copies, since resolv.conf is often a symlink to where nothing else of the sandbox leads; a host without one goes without.
      const contents = await readFile(`/etc/${name}`).catch(() => undefined);
      if (contents !== undefined) files[name] = contents;
    }
  }
  for (const [name, contents] of Object.entries(files)) await writeFile(join(etc, name), contents);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}
