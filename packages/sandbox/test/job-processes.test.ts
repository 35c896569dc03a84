import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { JobProcesses, type Launch } from "../src/job-processes.ts";
import { launchChild, LaunchShell, scriptPath } from "../src/launch-shell.ts";
import { LogPipes } from "../src/log-pipe.ts";
import { isAlive } from "../src/process-table.ts";

for (const [how, launch, said] of [
  ["us", (dir: string) => launchChild(scriptPath(join(dir, "job"))), "was killed by SIGKILL"],
  ["the launch shell", (dir: string) => LaunchShell.find(dir)?.launch("job") as Launch, "was killed"],
] as const) {
  test(`a launcher started by ${how} that dies before it said what its first process is takes that along`, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), "firn-launch-"));
    t.after(() => rmSync(dir, { recursive: true }));
    const inside = (name: string) => join(dir, "job", name);
    const status = await new LogPipes(join(dir, "pipes")).open(join(dir, "status"));
    mkdirSync(join(dir, "job"));
    // It tells of its child in a file, which is not the status pipe, and dies; the child keeps the status pipe open.
    const script = [
      `exec 3> '${join(dir, "status")}'`,
      "read -r pid rest < /proc/self/stat",
      `echo "{ \\"launcher-pid\\": $pid }" >&3`,
      `sleep 1000 & echo $! > '${inside("child")}'`,
      "kill -9 $pid",
    ];
    writeFileSync(inside("launch"), script.join("\n"));
    const { code, launcher } = await new JobProcesses(launch(dir), status, undefined).ended();
    assert.deepEqual([code, launcher], [undefined, said]);
    const child = Number(readFileSync(inside("child"), "utf8"));
    for (let left = 100; isAlive(child) && left > 0; left--) await sleep(20);
    assert.equal(isAlive(child), false);
  });
}

test("a launcher that ends before it said that it is there is given up, not waited for", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "firn-launch-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const status = await new LogPipes(join(dir, "pipes")).open(join(dir, "status"));
  mkdirSync(join(dir, "job"));
  writeFileSync(scriptPath(join(dir, "job")), "exit 1");
  const launch = LaunchShell.find(dir)?.launch("job") as Launch;
  const exit = await new JobProcesses(launch, status, undefined, 100).ended();
  assert.deepEqual(exit, { code: undefined, launcher: "was never started" });
});
