/*
`firn serve` is killed in the middle of copies to it and from it, started again, and the copy made again, until it ends; then everything is read back. No path that
was registered before a kill may be gone after it, and none may have contents other than it says. By hand: `npm run slow:serve-kills [-- KILLS [SEED]]`.
*/

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { openLocalStore } from "@firn/backend-local";
import { FirnError } from "@firn/base";
import { Peer, pullPaths, pushPaths } from "@firn/protocol";
import { GrpcChannel } from "@firn/protocol/node";
import { checkNar, closureOf, type StoreServices } from "@firn/store";
import { Mutator } from "../../nix-compat/test/mutator.ts";
import { pathOf, register, treeNode } from "../../store/test/small-store.ts";

const [KILLS = 50, SEED = Date.now() >>> 0] = process.argv.slice(2).map(Number);
const FIRN = join(import.meta.dirname, "../../../firn");
const LETTERS = [..."abcdfghijklmnpqrsvwxyz"];
const TOP = [pathOf(LETTERS[LETTERS.length - 1])];
process.stdout.write(`${KILLS} kills, seed ${SEED}\n`);
const { random } = new Mutator(SEED);
const directory = mkdtempSync(join(tmpdir(), "firn-serve-kills-"));

/** A chain of paths, each with a few megabytes that no other has. */
async function fill(store: StoreServices): Promise<void> {
  for (const [i, letter] of LETTERS.entries()) {
    const large = crypto.getRandomValues(new Uint8Array(65_536));
    const files = {
      data: new Uint8Array(Buffer.concat(Array.from({ length: 40 }, (_, k) => large.map((byte) => byte ^ (k * 7))))),
      name: letter,
    };
    await register(store, letter, await treeNode(store, files), i === 0 ? "" : LETTERS[i - 1]);
  }
}

async function serve(home: string): Promise<{ readonly port: number; readonly process: ChildProcess }> {
  const child = spawn(FIRN, ["serve", "--json", "--listen", "127.0.0.1:0"], {
    env: { PATH: process.env.PATH, HOME: home, FIRN_HOME: home },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { port: Number(new URL((JSON.parse(line) as { url: string }).url).port), process: child };
}

async function withStore<T>(home: string, work: (store: StoreServices) => Promise<T>): Promise<T> {
  await using store = await openLocalStore(join(home, "store"));
  return await work(store);
}

/** Names of what is registered, after all of it was read and found to be what it says. */
async function checked(store: StoreServices): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const info of store.pathInfos.list()) {
    await checkNar(info, store);
    names.add(info.path.toString());
  }
  return names;
}

async function copyOnce(
  far: string,
  near: StoreServices,
  isPush: boolean,
  killAfterMs: number | undefined,
): Promise<boolean> {
  const server = await serve(far);
  const peer = new Peer(new GrpcChannel({ kind: "tcp", host: "127.0.0.1", port: server.port, isSecure: false }));
  const gone = once(server.process, "close");
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => server.process.kill("SIGKILL"), killAfterMs);
  try {
    if (isPush) await pushPaths(TOP, near, peer, { registeredAt: 1 });
    else await pullPaths(TOP, peer, near, { registeredAt: 1 });
    return true;
  } catch (thrown) {
    if (!(thrown instanceof FirnError) || !thrown.retryable) throw thrown;
    return false;
  } finally {
    clearTimeout(timer);
    await peer[Symbol.asyncDispose]();
    server.process.kill("SIGKILL");
    await gone;
    await sleep(10);
  }
}

const source = join(directory, "source");
await withStore(source, fill);
let kills = 0;
let wholes = 0;
while (kills < KILLS) {
  const isPush = wholes % 2 === 0;
  const target = join(directory, `round-${wholes}`);
  let confirmed = new Set<string>();
  for (let isWhole = false; !isWhole; ) {
    const killAfterMs = kills < KILLS ? random(1200) : undefined;
    const [far, near] = isPush ? [target, source] : [source, target];
    isWhole = await withStore(near, (store) => copyOnce(far, store, isPush, killAfterMs));
    if (!isWhole) kills++;
    const there = await withStore(target, checked);
    for (const name of confirmed) assert.ok(there.has(name), `${name} is gone`);
    confirmed = there;
  }
  await withStore(target, async ({ pathInfos }) =>
    assert.equal((await closureOf(TOP, pathInfos)).length, LETTERS.length),
  );
  rmSync(target, { recursive: true, force: true });
  wholes++;
  process.stdout.write(`${kills} kills, ${wholes} whole copies, nothing lost\n`);
}
rmSync(directory, { recursive: true, force: true });
