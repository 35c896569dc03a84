/*
The daemon is killed in the middle of copies by Debian's nix, started again, and the copy made again, until it ends; then everything is verified and read
back. No path that a client was told is there may be gone or other than it was. By hand: `npm run slow:daemon-kills [-- KILLS [SEED]]`.
*/

import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openLocalStore } from "@firn/backend-local";
import { Mutator } from "../../nix-compat/test/mutator.ts";
import { nixAlone, startDaemon } from "./daemon.ts";
import { makeFirn } from "./firn.ts";
import { layTools, WITH_TOOLS } from "./nix-peer.ts";

const [KILLS = 50, SEED = Date.now() >>> 0] = process.argv.slice(2).map(Number);
const PATHS = 24;
process.stdout.write(`${KILLS} kills, seed ${SEED}\n`);
const { random } = new Mutator(SEED);
const ends: (() => void)[] = [];
const firn = makeFirn({ after: (end) => ends.push(end) });
const { directory } = firn;
const nix = nixAlone(directory);

async function said(program: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await nix.run(program, ...args);
  assert.equal(code, 0, err);
  return out.trim();
}

layTools(directory);
// A chain in which each path refers to the one before and has enough in it to be killed in.
const text = `${WITH_TOOLS} let
  step = n: if n == 0 then "end" else sh "step-\${toString n}" "$b mkdir $out; echo \${step (n - 1)} > $out/before; $b head -c 1500000 /dev/urandom > $out/data" { };
in step ${PATHS}`;
writeFileSync(join(directory, "chain.nix"), text);
const top = await said("nix-build", "chain.nix", "--no-out-link");
const closure = (await said("nix-store", "-qR", top)).split("\n");
const hashes = await said("nix-store", "-q", "--hash", ...closure);

let kills = 0;
let wholes = 0;
while (kills < KILLS) {
  const round = join(directory, `round-${wholes}`);
  mkdirSync(round);
  const confirmed = new Set<string>();
  for (let isWhole = false; !isWhole; ) {
    const daemon = await startDaemon(round);
    const copy = nix.run("nix", "copy", "--no-check-sigs", "--to", `unix://${daemon.socket}`, top);
    const afterMs = random(1200);
    const timer = kills < KILLS ? setTimeout(() => void daemon.stop("SIGKILL"), afterMs) : undefined;
    isWhole = (await copy).code === 0;
    clearTimeout(timer);
    await daemon.stop("SIGKILL");
    if (!isWhole) kills++;
    await using store = await openLocalStore(join(round, "state", "store"));
    const there = new Set<string>();
    for await (const { path } of store.pathInfos.list()) there.add(path.absolute());
    for (const path of confirmed) assert.ok(there.has(path), `${path} is gone`);
    for (const path of there) confirmed.add(path);
    assert.ok(!isWhole || closure.every((path) => there.has(path)));
  }
  const env = { FIRN_HOME: join(round, "state") };
  const verified = await firn.run(["store", "verify", "--nar"], { env });
  assert.equal(verified.code, 0, verified.out + verified.err);
  const infos = JSON.parse((await firn.run(["store", "path-info", "--json", ...closure], { env })).out);
  const found = [];
  for (const { narHash } of infos) found.push(await said("nix", "hash", "to-base32", "--type", "sha256", narHash));
  assert.deepEqual(
    found,
    hashes.split("\n").map((hash) => hash.slice("sha256:".length)),
  );
  rmSync(round, { recursive: true, force: true });
  wholes++;
  process.stdout.write(`${kills} kills, ${wholes} whole copies, nothing lost\n`);
}
for (const end of ends) end();
