/*
The directory of one job on the host, the same for every sandbox: everything a builder may write, the root around it, and empty places where
the sandbox mounts what it may only read.

    <stateDir>/job-<pid>-<random>/     0700, so nothing a builder makes can be reached by others
      own/                             mounted into the root at the same paths, writable
        build/  tmp/  nix/store/       working directory, /tmp, parents of the outputs
        nix/store/<input>              empty file or directory to mount on; a symlink is made as it is
      root/                            shown as / , read-only; job-root.ts says when it is not here but shared
        etc/passwd ...                 the few files Nix's sandbox has

All bytes a builder can write to disk lie below own/, so one measurement bounds them. The pid in the name lets a later process recognise and
remove what a killed one left behind. Some dozens of calls make it, so they are made in this thread: each would take ten times as long in another.
*/

import { randomUUID } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { bytesOf, type ByteString, byteStringOf, byteStringOfText, messageOf, textOf } from "@firn/base";
import { BuildError, type SandboxJob } from "@firn/build";
import { RootDescription, type SharedRoots } from "./job-root.ts";
import { isAlive } from "./process-table.ts";
import { removeTree, removeTreeOnce } from "./remove-tree.ts";
import type { Shell } from "./shell.ts";
import { BUILDER_GID, BUILDER_UID } from "./start-program.ts";

/** Something to mount: `path` is relative to the root inside. */
export type Mount = {
  readonly hostPath: string;
  readonly path: ByteString;
  readonly kind: "read-only" | "writable" | "device";
};

/** A file or directory of the host that every job sees. */
export type SandboxPath = {
  /** Inside, relative to the root. */
  readonly path: string;
  readonly hostPath: string;
  readonly writable?: boolean;
  /** Whether jobs go without it where the host has none. */
  readonly optional?: boolean;
};

export type JobSpace = {
  /** Names the job on this machine. */
  readonly name: string;
  /** The job's directory; also holds what a sandbox writes for itself. */
  readonly directory: string;
  /** Only for reading: other jobs may have the same. */
  readonly root: string;
  /** Directories of the root that the builder may write, parents before children. */
  readonly writable: readonly ByteString[];
  /** What to mount, whole trees with what is mounted below, in this order; a place for each exists. */
  readonly mounts: readonly Mount[];
  /** Whether the host's network is shared. */
  readonly network: boolean;
};

/** What there is below /dev, beside terminals and shared memory. */
export const DEVICES = ["full", "null", "random", "tty", "urandom", "zero"];
const DEVICE_LINKS = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["ptmx", "pts/ptmx"],
];

type Shown = {
  readonly shell: Shell | undefined;
  readonly paths?: readonly SandboxPath[];
  /** Where the sandbox does not change the root: those that jobs share. */
  readonly roots?: SharedRoots;
};

/** Makes the directory of a job below `stateDir`, which exists. Nothing is left when it throws. */
export async function makeJobSpace(stateDir: string, job: SandboxJob, shown: Shown): Promise<JobSpace> {
  const directory = mkdtempSync(join(stateDir, `job-${process.pid}-`));
  try {
    return fill(directory, job, shown);
  } catch (thrown) {
    await removeTree(directory);
    throw thrown;
  }
}

/** The host path of a path inside. */
export function hostPathOf(space: JobSpace, path: ByteString): string {
  return join(isBelow(path, space.writable) ? ownDirectory(space) : space.root, textOf(path));
}

/** Where on the host everything is that the builder may write. */
export function ownDirectory({ directory }: JobSpace): string {
  return join(directory, "own");
}

/** Removes what jobs of processes that are gone left below `stateDir`. */
export async function sweepJobSpaces(stateDir: string): Promise<void> {
  for (const name of await readdir(stateDir)) {
    if (isLeftBehind(name))
      await removeTreeOnce(join(stateDir, name), join(stateDir, `job-${process.pid}-${randomUUID()}`));
  }
}

/** Whether a name is one of a job whose process is gone. */
export function isLeftBehind(name: string): boolean {
  const pid = /^job-(\d+)-/.exec(name)?.[1];
  return pid !== undefined && !isAlive(Number(pid));
}

function fill(directory: string, job: SandboxJob, shown: Shown): JobSpace {
  const isApart = job.sandboxed !== false;
  const writable = [...new Set(["tmp", job.workingDirectory, ...job.outputs.map(dirname)])].sort();
  const isWritable = ({ path }: { readonly path: ByteString }) => isBelow(path, writable);
  const { description, mounts } = describeRoot(job, writable, shown);
  const isUsual = [...job.inputs, ...job.files].every(isWritable);
  const root = isUsual ? shown.roots?.get(description) : undefined;
  const space: JobSpace = {
    name: basename(directory),
    directory,
    root: root ?? join(directory, "root"),
    writable,
    mounts: [],
    network: job.network || !isApart,
  };
  if (root === undefined) {
    mkdirSync(space.root, { mode: 0o755 });
    description.make(space.root);
  }
  for (const path of writable) mkdirSync(hostPathOf(space, path), { recursive: true, mode: 0o755 });
  chmodSync(hostPathOf(space, job.workingDirectory), 0o700);
  const inputs: Mount[] = [];
  for (const { hostPath, path } of job.inputs) {
    const stat = lstatSync(hostPath);
    if (stat.isSymbolicLink()) {
      symlinkSync(readlinkSync(hostPath, { encoding: "buffer" }), placeBelow(space, path));
    } else {
      makePlace(placeBelow(space, path), stat.isDirectory());
      inputs.push({ hostPath, path, kind: "read-only" });
    }
  }
  for (const { path, isDirectory } of mounts) if (isWritable({ path })) makePlace(placeBelow(space, path), isDirectory);
  for (const { path, contents } of job.files) {
    writeFileSync(placeBelow(space, path), bytesOf(contents), { flag: "wx", mode: 0o644 });
  }
  return { ...space, mounts: [...inputs, ...mounts] };
}

type Place = Mount & { readonly isDirectory: boolean };

/** What the root has for any job of this kind, and what of the host is mounted there. */
function describeRoot(
  job: SandboxJob,
  writable: readonly ByteString[],
  { shell, paths = [] }: Shown,
): { readonly description: RootDescription; readonly mounts: readonly Place[] } {
  const isApart = job.sandboxed !== false;
  const description = new RootDescription();
  for (const path of ["proc", "dev/pts", "dev/shm", ...(isApart ? ["etc", "bin"] : []), ...writable]) {
    description.directory(path);
  }
  for (const name of DEVICES) description.file(`dev/${name}`);
  for (const [name, target] of DEVICE_LINKS) description.link(`dev/${name}`, target);
  if (isApart) describeEtc(description, job);
  const mounts: Place[] = [];
  const shellFiles: readonly SandboxPath[] = job.shell && isApart ? (shell?.files ?? []) : [];
  for (const given of [...shellFiles, ...(isApart ? [] : hostTree(description)), ...paths]) {
    // These may be symlinks into the host, and are shown as what they lead to.
    const stat = hostStat(given);
    if (stat === undefined) continue;
    const path = byteStringOfText(given.path);
    const isDirectory = stat.isDirectory();
    if (!isBelow(path, writable)) {
      if (isDirectory) description.directory(path);
      else description.file(path);
    }
    const kind = stat.isCharacterDevice() ? "device" : given.writable ? "writable" : "read-only";
    mounts.push({ hostPath: given.hostPath, path, kind, isDirectory });
  }
  return { description, mounts };
}

function isBelow(path: ByteString, directories: readonly ByteString[]): boolean {
  return directories.some((directory) => path === directory || path.startsWith(`${directory}/`));
}

/** Makes the directories above a path inside; yields its host path. */
function placeBelow(space: JobSpace, path: ByteString): string {
  const place = hostPathOf(space, path);
  mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
  return place;
}

/** Makes what a file or a directory can be mounted on; it may be there already. */
function makePlace(place: string, isDirectory: boolean): void {
  if (isDirectory) mkdirSync(place, { recursive: true });
  else writeFileSync(place, "", { flag: "a" });
}

function hostStat({ path, hostPath, optional }: SandboxPath): Stats | undefined {
  try {
    return statSync(hostPath);
  } catch (cause) {
    if (optional) return undefined;
    const message = `the sandbox path /${path} cannot be shown, since ${hostPath} is not there (${messageOf(cause)}); a '?' behind it makes it optional`;
    throw new BuildError("sandbox", message, { cause });
  }
}

/** What the host has at its root and the job's root has not; its symlinks are described on the way, since they must stay symlinks. */
function hostTree(description: RootDescription): SandboxPath[] {
  const shown: SandboxPath[] = [];
  const taken = new Set([...description.topNames(), "sys"]);
  for (const entry of readdirSync("/", { withFileTypes: true })) {
    if (taken.has(byteStringOfText(entry.name))) continue;
    const hostPath = `/${entry.name}`;
    if (!entry.isSymbolicLink()) shown.push({ path: entry.name, hostPath, optional: true });
    else description.link(byteStringOfText(entry.name), byteStringOf(readlinkSync(hostPath, { encoding: "buffer" })));
  }
  return shown;
}

/** The files C++ Nix puts below /etc of its sandbox (linux-derivation-builder.cc), with the host's resolver for jobs with network. */
function describeEtc(description: RootDescription, job: SandboxJob): void {
  const home = `/${job.workingDirectory}`;
  const files: Record<string, ByteString> = {
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
      try {
        files[name] = byteStringOf(readFileSync(`/etc/${name}`));
      } catch {}
    }
  }
  for (const [name, contents] of Object.entries(files)) description.file(`etc/${name}`, contents);
}
