import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openCgroups } from "../src/cgroups.ts";

/** A directory that looks like what the kernel tells of version 2, with this process in `own`. */
async function withTree(own: string, work: (self: string, mount: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "firn-cgroups-"));
  const [self, mount] = [join(directory, "self"), join(directory, "fs")];
  try {
    await mkdir(self);
    await mkdir(join(mount, own), { recursive: true });
    await writeFile(
      join(self, "mountinfo"),
      `29 22 0:26 / ${mount} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n`,
    );
    await writeFile(join(self, "cgroup"), `0::/${own}\n`);
    await work(self, mount);
  } finally {
    await rm(directory, { recursive: true });
  }
}

test("version 2: limits are written, costs read in its words", async () => {
  await withTree("user.slice/session", async (self, mount) => {
    const cgroups = await openCgroups({ procSelf: self, remove: (group) => rm(group, { recursive: true }) });
    assert.equal(cgroups?.version, 2);
    const cgroup = await cgroups.make("job-1-abc", { memoryBytes: 1_000_000 });
    const group = join(mount, "user.slice/session/job-1-abc");
    assert.deepEqual(cgroup.entries, [join(group, "cgroup.procs")]);
    assert.equal(await readFile(join(group, "memory.max"), "utf8"), "1000000");
    assert.equal(await readFile(join(group, "memory.swap.max"), "utf8"), "0");
    assert.ok(Number(await readFile(join(group, "pids.max"), "utf8")) > 1000);
    await writeFile(join(group, "cpu.stat"), "usage_usec 3500\nuser_usec 2500\nsystem_usec 1000\nnr_periods 0\n");
    await writeFile(join(group, "memory.peak"), "777\n");
    await writeFile(join(group, "memory.events"), "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n");
    await writeFile(
      join(group, "io.stat"),
      "254:0 rbytes=10 wbytes=20 rios=1 wios=1\n254:16 rbytes=5 wbytes=0 rios=1 wios=0\n",
    );
    assert.deepEqual(await cgroup.usage(), {
      cpuUserMs: 2.5,
      cpuSystemMs: 1,
      memoryPeakBytes: 777,
      ioReadBytes: 15,
      ioWriteBytes: 20,
      ranOutOfMemory: true,
    });
    await cgroup.kill();
    assert.equal(await readFile(join(group, "cgroup.kill"), "utf8"), "1");
  });
});

test("version 2: what the kernel is too old to tell is undefined", async () => {
  await withTree("", async (self, mount) => {
    const cgroup = await (
      await openCgroups({ procSelf: self, remove: (group) => rm(group, { recursive: true }) })
    )?.make("job-1-abc", {});
    assert.deepEqual(await cgroup?.usage(), {
      cpuUserMs: undefined,
      cpuSystemMs: undefined,
      memoryPeakBytes: undefined,
      ioReadBytes: undefined,
      ioWriteBytes: undefined,
      ranOutOfMemory: false,
    });
    assert.ok((await readdir(mount)).includes("job-1-abc"));
  });
});

test("a host without cgroups has none", async () => {
  assert.equal(await openCgroups({ procSelf: join(tmpdir(), "firn-no-such-directory"), remove: rm }), undefined);
});

const real = process.getuid?.() === 0 ? await openCgroups() : undefined;
test(
  "what a killed process left is removed, with what is still running in it",
  real === undefined ? { skip: "no rights over cgroups here" } : {},
  async () => {
    const { spawn } = await import("node:child_process");
    const left = await real?.make(`job-${2 ** 22 + 1}-left`, {}); // no process has that id
    const child = spawn("/bin/sh", [
      "-c",
      `${left?.entries.map((file) => `echo $$ > ${file}`).join("; ")}; echo in; exec sleep 600`,
    ]);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
    await real?.sweep();
    assert.equal(await ended, "SIGKILL");
    await assert.rejects(readFile(left?.entries[0] as string), { code: "ENOENT" });
  },
);
