/*
Kills builds with SIGKILL at random moments and looks at what is left: nothing half-made is registered, the records say what happened, and the next run
completes. What is killed is the client, which is the builder's process, or the first process of a sandbox, as an out-of-memory killer would.
*/

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identityOfSelf, isAlive, openLocalStore } from "@firn/backend-local";
import { openBuildRecords } from "@firn/backend-sqlite";
import { lookup } from "@firn/castore";
import { parseAbsoluteStorePath } from "@firn/nix-compat";
import { buildDirectories } from "./firn.ts";

const FIRN = join(import.meta.dirname, "../../../firn");
/** Two steps; each output is two files, made one after the other. */
const EXPRESSION = `{ n }: let
  step = name: before: derivation {
    inherit name before; system = builtins.currentSystem; builder = "/bin/sh";
    args = [ "-c" "mkdir $out; echo begun; echo \${n} > $out/first; sleep 0.05; echo $before > $out/second" ];
  };
in step "kills-top" (step "kills-base" n)`;

export type KillReport = {
  readonly rounds: number;
  readonly clients: number;
  readonly sandboxes: number;
  readonly died: number;
};

/** `seed` decides moments and victims. Throws AssertionError with the round. */
export async function killBuilds(
  rounds: number,
  seed: number,
  onRound: (round: number) => void = () => {},
): Promise<KillReport> {
  const directory = mkdtempSync(join(tmpdir(), "firn-kills-"));
  const env = { PATH: process.env.PATH, HOME: directory, FIRN_HOME: join(directory, "state") };
  const random = randomOf(seed);
  const report = { rounds, clients: 0, sandboxes: 0, died: 0 };
  try {
    writeFileSync(join(directory, "kills.nix"), EXPRESSION);
    let usualMs = 0;
    for (const n of ["cold", "warm"]) {
      const startedAt = performance.now();
      await ended(build(n, env, directory), 0);
      usualMs = performance.now() - startedAt;
    }
    for (let round = 0; round < rounds; round++) {
      onRound(round);
      const client = build(`${round}`, env, directory);
      const exit = once(client, "exit");
      const startedAtMs = Date.now();
      const wantsSandbox = random() < 0.3;
      const moment = random();
      let sandbox: number | undefined;
      if (wantsSandbox) {
        while (sandbox === undefined && client.exitCode === null) {
          await sleep(3);
          sandbox = sandboxOf(client.pid as number);
        }
        await sleep(moment * 50);
      } else await Promise.race([sleep((0.2 + 0.9 * moment) * usualMs), exit]);
      if (sandbox === undefined) client.kill("SIGKILL");
      else tryKill(sandbox);
      report[sandbox === undefined ? "clients" : "sandboxes"]++;
      await exit;
      report.died += await lookAt(env.FIRN_HOME, round, startedAtMs);
      await ended(build(`${round}`, env, directory), round);
      await lookAt(env.FIRN_HOME, round, startedAtMs);
      const left = buildDirectories(env.FIRN_HOME);
      assert.deepEqual(left, [], `round ${round}: directories of builds are left`);
    }
    return report;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function build(n: string, env: NodeJS.ProcessEnv, directory: string): ChildProcess {
  const args = ["build", "--no-link", "-q", "-j2", join(directory, "kills.nix"), "--argstr", "n", n];
  return spawn(FIRN, args, { env, cwd: directory, stdio: ["ignore", "ignore", "pipe"] });
}

async function ended(child: ChildProcess, round: number): Promise<void> {
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [code] = await once(child, "close");
  assert.equal(code, 0, `round ${round}: ${said}`);
}

/** Yields how many of the attempts since then died with their process. */
async function lookAt(stateDir: string, round: number, sinceMs: number): Promise<number> {
  const records = openBuildRecords(join(stateDir, "build-records"), {
    process: { self: identityOfSelf(), isAlive },
    retention: { endedMax: 10_000, daysMax: 90 },
    now: Date.now,
  });
  const store = await openLocalStore(join(stateDir, "store"));
  try {
    let died = 0;
    for (const { id, status, end, outputs } of (await records.attempts.list({ sinceMs })).attempts) {
      assert.ok(status === "succeeded" || status === "failed", `round ${round}: attempt ${id} is ${status}`);
      if (end?.reason === "infrastructure" && end.why === "the builder died") died++;
      for (const { path } of outputs) {
        const info = await store.pathInfos.get(parseAbsoluteStorePath(`/${path}`).hashPart);
        if (info === undefined) continue; // made, and not registered any more
        for (const name of ["first", "second"])
          assert.ok(await lookup(store, info.node, name), `round ${round}: ${path} lacks ${name}`);
      }
    }
    for await (const info of store.pathInfos.list()) {
      if (!/^kills-(top|base)$/.test(info.path.name)) continue;
      assert.ok(await lookup(store, info.node, "second"), `round ${round}: ${info.path} is half-made`);
    }
    return died;
  } finally {
    await store.close();
    records.close();
  }
}

/** The first process of a sandbox that this client runs now. */
function sandboxOf(client: number): number | undefined {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const stat = statOf(pid);
    if (stat !== undefined && stat.parent === client && /bwrap|sh|unshare/.test(stat.name)) return Number(pid);
  }
  return undefined;
}

function statOf(pid: string): { readonly name: string; readonly parent: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const nameEnd = stat.lastIndexOf(")");
    return { name: stat.slice(stat.indexOf("(") + 1, nameEnd), parent: Number(stat.slice(nameEnd + 2).split(" ")[1]) };
  } catch {
    return undefined;
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
