/*
Control groups: what bounds the memory and the number of processes of a job as a whole, counts what they cost, and ends them all at once. Version 2
has one tree, version 1 one for each controller; a job gets a directory in each tree that matters, named like its job directory, below the
group this process is in (or the tree's root, where version 2 forbids groups with processes to have children).

Everything is read from and written to files, so the tests of version 2 run on a directory that looks like one.
*/

import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, type SandboxJob } from "@firn/build";
import { isLeftBehind } from "./job-space.ts";
import { killProcess } from "./process-table.ts";

/** Most processes and threads of one job. */
const PROCESSES_MAX = 32_768;
/** How often killing is tried until a group is empty; a process in the middle of a disk's answer dies late. */
const KILL_ROUNDS_MAX = 1000;

export type CgroupUsage = {
  readonly cpuUserMs?: number;
  readonly cpuSystemMs?: number;
  readonly memoryPeakBytes?: number;
  readonly ioReadBytes?: number;
  readonly ioWriteBytes?: number;
  /** Whether the kernel killed a process for want of memory. */
  readonly ranOutOfMemory: boolean;
};

/** The group of one job. */
export interface Cgroup extends AsyncDisposable {
  /** Files a process writes its id to in order to enter, with all it starts from then on. */
  readonly entries: readonly string[];
  usage(): Promise<CgroupUsage>;
  /** Kills every process in it; resolves when none is left. */
  kill(): Promise<void>;
  /** `kill`, then removes it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Where groups can be made. */
export interface Cgroups {
  readonly version: 1 | 2;
  /** A group that bounds what the job asks for. */
  make(name: string, job: Pick<SandboxJob, "memoryBytes">): Promise<Cgroup>;
  /** Removes what jobs of processes that are gone left. */
  sweep(): Promise<void>;
}

/** Controllers of version 1 whose trees are used; memory must be there. */
const CONTROLLERS = ["memory", "cpuacct", "pids", "blkio"] as const;
type Controller = (typeof CONTROLLERS)[number];
type Trees = {
  readonly version: 1 | 2;
  /** The directory in each tree below which jobs have theirs; the same one for all in version 2. */
  readonly parents: ReadonlyMap<Controller, string>;
  /** All directories where a job or its sandbox may have left something. */
  readonly swept: readonly string[];
};

/** What is asked of the machine; a test gives it a directory that looks like one. */
export type CgroupMachine = {
  /** Where the kernel tells about this process. */
  readonly procSelf: string;
  /** Removes a group's directory, whose files are no files. */
  readonly remove: (directory: string) => Promise<void>;
};

/** Opens what this process may use; undefined when that is not enough to bound memory. */
export async function openCgroups(
  { procSelf, remove }: CgroupMachine = { procSelf: "/proc/self", remove: rmdir },
): Promise<Cgroups | undefined> {
  const mounts = parseMounts(await readFile(join(procSelf, "mountinfo"), "latin1").catch(() => ""));
  const own = parseOwn(await readFile(join(procSelf, "cgroup"), "latin1").catch(() => ""));
  const trees = [treesV1(mounts, own), ...treesV2(mounts, own)];
  for (const tree of trees) {
    const cgroups = tree.parents.has("memory") ? new CgroupTrees(tree, remove) : undefined;
    if (cgroups !== undefined && (await works(cgroups))) return cgroups;
  }
  return undefined;
}

async function works(cgroups: Cgroups): Promise<boolean> {
  try {
    await using _ = await cgroups.make(`job-${process.pid}-probe-${randomUUID()}`, { memoryBytes: 1 << 30 });
    return true;
  } catch {
    return false;
  }
}

type Mount = { readonly at: string; readonly type: string; readonly options: readonly string[] };

/** proc(5): after the separator come the type, the source and the super block's options, which name version 1's controllers. */
function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const [before, after] = line.split(" - ");
    if (after === undefined) continue;
    const [type, , options = ""] = after.split(" ");
    mounts.push({ at: before.split(" ")[4], type, options: options.split(",") });
  }
  return mounts;
}

/** cgroups(7): `id:controllers:path`; controllers are empty for version 2. */
function parseOwn(text: string): Map<string, string> {
  const own = new Map<string, string>();
  for (const [, controllers, path] of text.matchAll(/^\d+:([^:\n]*):(.*)$/gm))
    for (const controller of controllers.split(",")) own.set(controller, path);
  return own;
}

function treesV1(mounts: readonly Mount[], own: ReadonlyMap<string, string>): Trees {
  const parents = new Map<Controller, string>();
  const swept: string[] = [];
  for (const { type, options, at } of mounts) {
    // Version 2's tree beside these has no use for us, but runtimes make groups in it.
    if (type === "cgroup2") swept.push(join(at, own.get("") ?? "/"));
    const named = type === "cgroup" ? options.find((option) => own.has(option)) : undefined;
    if (named === undefined) continue;
    const parent = join(at, own.get(named) as string);
    swept.push(parent);
    for (const controller of CONTROLLERS) if (options.includes(controller)) parents.set(controller, parent);
  }
  return { version: 1, parents, swept };
}

/** Candidates, better ones first. */
function treesV2(mounts: readonly Mount[], own: ReadonlyMap<string, string>): Trees[] {
  const mount = mounts.find(({ type }) => type === "cgroup2");
  const path = own.get("");
  if (mount === undefined || path === undefined) return [];
  return Array.from(new Set([join(mount.at, path), join(mount.at, "/")]), (parent) => {
    return { version: 2, parents: new Map(CONTROLLERS.map((controller) => [controller, parent])), swept: [parent] };
  });
}

class CgroupTrees implements Cgroups {
  readonly version: 1 | 2;
  readonly #parents: Trees["parents"];
  readonly #swept: readonly string[];

  readonly #remove: CgroupMachine["remove"];

  constructor({ version, parents, swept }: Trees, remove: CgroupMachine["remove"]) {
    this.#remove = remove;
    this.version = version;
    this.#parents = parents;
    this.#swept = swept;
  }

  async make(name: string, { memoryBytes }: Pick<SandboxJob, "memoryBytes">): Promise<Cgroup> {
    const directories = new Map<Controller, string>();
    const cgroup =
      this.version === 2 ? new CgroupV2(directories, this.#remove) : new CgroupV1(directories, this.#remove);
    try {
      for (const [controller, parent] of this.#parents) {
        const directory = join(parent, name);
        // A controller beside memory may be out of reach; then what it counts is unknown.
        const made = await this.#makeDirectory(parent, directory).catch((thrown) => {
          if (controller === "memory") throw thrown;
        });
        if (made) directories.set(controller, directory);
      }
      await cgroup.limit(memoryBytes);
      return cgroup;
    } catch (cause) {
      await cgroup[Symbol.asyncDispose]();
      throw new BuildError("sandbox", `making the cgroup ${name} failed`, { cause });
    }
  }

  async #makeDirectory(parent: string, directory: string): Promise<true> {
    if (this.version === 2) {
      // What is on already, or not there, is refused; whether memory is there shows when its limit is set.
      for (const controller of ["memory", "pids", "cpu", "io"])
        await writeFile(join(parent, "cgroup.subtree_control"), `+${controller}`).catch(() => {});
    }
    await mkdir(directory, { recursive: this.version === 2 });
    return true;
  }

  async sweep(): Promise<void> {
    for (const parent of this.#swept) {
      for (const name of await readdir(parent).catch(() => [])) {
        if (!isLeftBehind(name)) continue;
        await new CgroupV1(new Map([["memory", join(parent, name)]]), this.#remove)[Symbol.asyncDispose]();
      }
    }
  }
}

/** What both versions do alike: entering, killing, removing. */
abstract class CgroupOfJob {
  protected readonly directories: ReadonlyMap<Controller, string>;
  readonly #remove: CgroupMachine["remove"];

  constructor(directories: ReadonlyMap<Controller, string>, remove: CgroupMachine["remove"]) {
    this.directories = directories;
    this.#remove = remove;
  }

  get entries(): readonly string[] {
    return Array.from(new Set(this.directories.values()), (directory) => join(directory, "cgroup.procs"));
  }

  async kill(): Promise<void> {
    for (let round = 0; round < KILL_ROUNDS_MAX; round++) {
      const left = new Set<number>();
      for (const directory of this.directories.values())
        for (const group of await groupsFrom(directory))
          for (const pid of numbersOf(await readOr(join(group, "cgroup.procs")))) left.add(pid);
      if (left.size === 0) return;
      for (const pid of left) killProcess(pid);
      await sleep(Math.min(1 + round, 20));
    }
    throw new BuildError("sandbox", "processes of the job survive being killed");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    for (const directory of new Set(this.directories.values())) {
      // Sandboxes may have made groups of their own below; children first.
      for (const group of (await groupsFrom(directory)).reverse()) await removeGroup(group, this.#remove);
    }
  }

  protected async value(controller: Controller, file: string): Promise<string> {
    const directory = this.directories.get(controller);
    return directory === undefined ? "" : await readOr(join(directory, file));
  }

  protected async set(controller: Controller, file: string, value: number): Promise<void> {
    const directory = this.directories.get(controller);
    if (directory !== undefined) await writeFile(join(directory, file), `${value}`);
  }
}

class CgroupV1 extends CgroupOfJob implements Cgroup {
  async limit(memoryBytes: number | undefined): Promise<void> {
    await this.set("pids", "pids.max", PROCESSES_MAX);
    if (memoryBytes === undefined) return;
    await this.set("memory", "memory.limit_in_bytes", memoryBytes);
    // Memory and swap together; not there when the kernel does not count swap.
    await this.set("memory", "memory.memsw.limit_in_bytes", memoryBytes).catch(() => {});
  }

  async usage(): Promise<CgroupUsage> {
    const io = await this.value("blkio", "blkio.throttle.io_service_bytes_recursive");
    const sum = (kind: string) => sumOf(io, new RegExp(`^\\d+:\\d+ ${kind} (\\d+)$`, "gm"));
    return {
      cpuUserMs: scaled(await this.value("cpuacct", "cpuacct.usage_user"), 1e-6),
      cpuSystemMs: scaled(await this.value("cpuacct", "cpuacct.usage_sys"), 1e-6),
      memoryPeakBytes: scaled(await this.value("memory", "memory.max_usage_in_bytes"), 1),
      ioReadBytes: io === "" ? undefined : sum("Read"),
      ioWriteBytes: io === "" ? undefined : sum("Write"),
      ranOutOfMemory: sumOf(await this.value("memory", "memory.oom_control"), /^oom_kill (\d+)$/gm) > 0,
    };
  }
}

class CgroupV2 extends CgroupOfJob implements Cgroup {
  async limit(memoryBytes: number | undefined): Promise<void> {
    await this.set("pids", "pids.max", PROCESSES_MAX).catch(() => {});
    if (memoryBytes === undefined) return;
    await this.set("memory", "memory.max", memoryBytes);
    await this.set("memory", "memory.swap.max", 0).catch(() => {});
  }

  override async kill(): Promise<void> {
    await this.set("memory", "cgroup.kill", 1).catch(() => {}); // since Linux 5.14, all at once; then it is only waited for
    await super.kill();
  }

  async usage(): Promise<CgroupUsage> {
    const cpu = await this.value("cpuacct", "cpu.stat");
    const io = await this.value("blkio", "io.stat");
    const part = (name: string) => scaled(new RegExp(`^${name} (\\d+)$`, "m").exec(cpu)?.[1] ?? "", 1e-3);
    return {
      cpuUserMs: part("user_usec"),
      cpuSystemMs: part("system_usec"),
      memoryPeakBytes: scaled(await this.value("memory", "memory.peak"), 1), // since Linux 5.19
      ioReadBytes: io === "" ? undefined : sumOf(io, /\brbytes=(\d+)/g),
      ioWriteBytes: io === "" ? undefined : sumOf(io, /\bwbytes=(\d+)/g),
      ranOutOfMemory: sumOf(await this.value("memory", "memory.events"), /^oom_kill (\d+)$/gm) > 0,
    };
  }
}

/** A group and those below it, parents first. */
async function groupsFrom(directory: string): Promise<string[]> {
  const groups = [directory];
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) groups.push(...(await groupsFrom(join(directory, entry.name))));
  return groups;
}

/** For a moment after its last process died a group is still busy. */
async function removeGroup(directory: string, remove: CgroupMachine["remove"]): Promise<void> {
  for (let round = 0; ; round++) {
    try {
      return await remove(directory);
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === "ENOENT") return;
      if (code !== "EBUSY" || round > 100) throw thrown;
      await sleep(5);
    }
  }
}

function readOr(file: string): Promise<string> {
  return readFile(file, "latin1").catch(() => "");
}

function numbersOf(text: string): number[] {
  return (text.match(/\d+/g) ?? []).map(Number);
}

function sumOf(text: string, pattern: RegExp): number {
  return Array.from(text.matchAll(pattern), (match) => Number(match[1])).reduce((sum, value) => sum + value, 0);
}

function scaled(text: string, factor: number): number | undefined {
  return text.trim() === "" ? undefined : Number(text) * factor;
}
