/*
`npm run slow:kills [KILLS]`: kills processes at random moments while they import, put and collect garbage, one or two at a time in one
store, and looks after each whether everything they had acknowledged is there and whole. Paths are held by roots, so no collection may
take them. Prints its seed; 300 kills when no number is given, which takes some minutes.
*/

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type LocalStore, openLocalStore } from "@firn/backend-local";
import { equalBytes } from "@firn/base";
import { calculateNar } from "@firn/store";
import { temporaryDir } from "./odd-tree.ts";

const CHILD = join(import.meta.dirname, "slow-kills-child.ts");
const DELAY_MS_MAX = 3000;
const FULL_CHECK_EVERY = 20;
const kills = Number(process.argv[2] ?? 300);
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

type Victim = { readonly ended: Promise<number | null>; kill(): void; lines(): string[]; errors(): string };

function victim(store: string, work: string, own: number): Victim {
  mkdirSync(work, { recursive: true });
  const child = spawn(process.execPath, [CHILD, store, work, `${own}`], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (errors += chunk));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  // What follows the last line feed may be half a line.
  return {
    ended,
    kill: () => child.kill("SIGKILL"),
    lines: () => output.split("\n").slice(0, -1),
    errors: () => errors,
  };
}

async function checkPath(store: LocalStore, hashPart: string): Promise<void> {
  const info = await store.pathInfos.get(hashPart);
  assert.ok(info, `path ${hashPart} was acknowledged and is gone`);
  const { narSha256, narSize } = await calculateNar(info.node, store);
  assert.equal(narSize, info.narSize);
  assert.ok(equalBytes(narSha256, info.narSha256), `path ${hashPart} has other contents`);
}

process.stdout.write(`seed ${seed}\n`);
using dir = temporaryDir();
const at = join(dir.path, "store");
const paths: string[] = [];
let dead = 0;
for (let round = 0; dead < kills; round++) {
  const victims = Array.from({ length: 1 + (round % 2) }, (_, i) =>
    victim(at, join(dir.path, `work-${i}`), seed + round * 10 + i),
  );
  for (const { kill } of victims) {
    await new Promise((resolve) => setTimeout(resolve, randomInt(DELAY_MS_MAX)));
    kill();
  }
  const acknowledged: string[] = [];
  for (const one of victims) {
    assert.equal(await one.ended, null, `a process ended by itself: ${one.errors()}`);
    dead++;
    for (const line of one.lines()) if (line.startsWith("path ")) acknowledged.push(line.slice("path ".length));
  }
  await using store = await openLocalStore(at);
  assert.deepEqual(readdirSync(join(at, "staging")), [], "nothing of the dead is left");
  for (const path of acknowledged) await checkPath(store, path);
  paths.push(...acknowledged);
  if (round % FULL_CHECK_EVERY !== 0 && dead < kills) continue;
  for (const path of paths) await checkPath(store, path);
  const { findings } = await store.verify();
  assert.deepEqual(findings, []);
  process.stdout.write(`${dead} killed, ${paths.length} paths acknowledged and whole\n`);
}
