/*
Trivial derivations built inside one process that is open already, as a server or an evaluation has it: store, records and sandbox as `firn build`
opens them, from the call to the registered output. One after the other for the latency.
*/

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { identityOfSelf, isAlive, openLocalStore } from "@firn/backend-local";
import { openBuildRecords } from "@firn/backend-sqlite";
import { createBuildService } from "@firn/build";
import { buildDerivations, writePending } from "@firn/glue";
import { UNFILLED_OUTPUT } from "@firn/nix-compat";
import { createSandbox } from "@firn/sandbox";
import { derive } from "../packages/glue/test/derivations.ts";

const BUILDS = Number(process.argv[2] ?? 50);
const WARM_UP = 5;

const work = mkdtempSync(join(tmpdir(), "firn-bench-"));
mkdirSync(join(work, "builds"));
await using store = await openLocalStore(join(work, "store"));
using records = openBuildRecords(join(work, "records"), {
  process: { self: identityOfSelf(), isAlive },
  retention: { endedMax: 10_000, daysMax: 90 },
  now: Date.now,
});
try {
  const { sandbox } = await createSandbox({ kind: "bubblewrap", stateDir: join(work, "builds") });
  const { attempts, logs } = records;
  const buildService = createBuildService({
    ...store,
    attempts,
    logs,
    sandbox,
    systems: ["x86_64-linux"],
    jobsMax: 2,
    now: Date.now,
    newId: randomUUID,
  });
  await using lease = await store.leases.openLease("bench");
  const wallMs: number[] = [];
  const cpuMs: number[] = [];
  for (let n = 0; n < WARM_UP + BUILDS; n++) {
    const outputs = { out: UNFILLED_OUTPUT };
    const { pending, drvPath } = derive(`trivial-${n}`, {
      outputs,
      builder: "/bin/sh",
      args: ["-c", "echo hi > $out"],
    });
    await writePending([pending], store, { now: Date.now, lease });
    const from = performance.now();
    const cpuFrom = process.cpuUsage();
    await buildDerivations([{ drvPath, outputs: "all" }], { ...store, buildService, now: Date.now }, { lease });
    const { user, system } = process.cpuUsage(cpuFrom);
    if (n < WARM_UP) continue;
    wallMs.push(performance.now() - from);
    cpuMs.push((user + system) / 1000);
  }
  const wall = median(wallMs).toFixed(1);
  process.stdout.write(
    `one trivial derivation inside a process (median of ${BUILDS}): ${wall} ms, of which ${median(cpuMs).toFixed(1)} ms CPU of its own\n`,
  );
} finally {
  rmSync(work, { recursive: true, force: true });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
