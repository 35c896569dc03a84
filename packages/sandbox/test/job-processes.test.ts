import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { JobProcesses } from "../src/job-processes.ts";
import { isAlive } from "../src/process-table.ts";

test("a launcher that dies before it said what its first process is takes that along", async () => {
  // It tells of its child on its standard output, which is not the status pipe, and dies; the child keeps the status pipe open.
  const script = "sleep 1000 & echo $!; kill -9 $$";
  const child = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore", "pipe"], detached: true });
  let said = "";
  child.stdout?.on("data", (text) => {
    said += text;
  });
  const { code, launcher } = await new JobProcesses(child, undefined).ended();
  assert.deepEqual([code, launcher], [undefined, "was killed by SIGKILL"]);
  for (let left = 100; isAlive(Number(said)) && left > 0; left--) await sleep(20);
  assert.equal(isAlive(Number(said)), false);
});
