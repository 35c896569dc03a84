/*
Copies that are killed at random moments, again and again: what was registered in the target is whole each time, and the copy gets done in the end. For each
kind of target. By hand: `npm run slow:copy [-- KILLS]`.
*/

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkNar } from "@firn/store";
import { openChosenStore } from "../src/opened-store.ts";
import { parseStoreChoice } from "../src/store-choice.ts";

const KILLS = Number(process.argv[2] ?? 30);
const directory = mkdtempSync(join(tmpdir(), "firn-slow-copy-"));
const env = { PATH: process.env.PATH, HOME: directory, FIRN_HOME: join(directory, "state") };
const main = join(import.meta.dirname, "..", "src", "main.ts");

/** Runs firn, killed after some milliseconds when that is sooner; yields its output, or undefined when it was killed. */
async function firn(args: readonly string[], killAfterMs?: number): Promise<string | undefined> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
    env,
    cwd: directory,
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  const code = await new Promise((resolve) => child.on("close", resolve));
  clearTimeout(timer);
  assert.ok(code === 0 || code === null, err);
  return code === 0 ? out : undefined;
}

try {
  for (let tree = 0; tree < 8; tree++) {
    mkdirSync(join(directory, `tree-${tree}`));
    for (let file = 0; file < 60; file++) {
      const bytes = crypto.getRandomValues(new Uint8Array(file % 20 === 0 ? 60_000 : 700 + file));
      writeFileSync(
        join(directory, `tree-${tree}`, `file-${file}`),
        file % 20 === 0 ? Buffer.concat(Array(20).fill(bytes)) : bytes,
      );
    }
    await firn(["store", "add", `tree-${tree}`]);
  }
  for (const kind of ["local", "sqlite", "objects"]) {
    const began = performance.now();
    await firn(["store", "copy", "--to", `${kind}:${join(directory, `${kind}-timed`)}`, "--all"]);
    const wholeMs = performance.now() - began;
    let kills = 0;
    let whole = 0;
    let done = 0;
    for (let round = 0; kills < KILLS && round < KILLS * 4; round++) {
      const target = `${kind}:${join(directory, `${kind}-${done}`)}`;
      const killAfterMs = wholeMs * (0.3 + crypto.getRandomValues(new Uint16Array(1))[0] / 2 ** 16);
      if ((await firn(["store", "copy", "--to", target, "--all"], killAfterMs)) === undefined) kills++;
      else done++;
      await using store = await openChosenStore(parseStoreChoice(target, directory), {
        storeDir: "/nix/store",
        signal: new AbortController().signal,
        onLie: () => undefined,
        openOwn: () => Promise.reject(new Error("these stores need no other")),
      });
      for await (const info of store.pathInfos.list()) {
        await checkNar(info, store);
        whole++;
      }
    }
    const last = `${kind}:${join(directory, `${kind}-0`)}`;
    await firn(["store", "copy", "--to", last, "--all"]);
    const listed = JSON.parse((await firn(["store", "du", "--store", last, "--json"])) as string);
    assert.equal(listed.paths.length, 8);
    process.stdout.write(
      `${kind} (a copy takes ${wholeMs.toFixed(0)} ms): ${kills} kills, ${whole} times a path was there and whole, the copy got done\n`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
