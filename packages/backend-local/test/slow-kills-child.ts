/* The victim of slow-kills.ts: imports trees, puts blobs and collects garbage without end, and prints a line when something was acknowledged. */

import { mkdirSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { openLocalStore } from "@firn/backend-local";
import { parseStorePath } from "@firn/nix-compat";
import { StoreError } from "@firn/store";
import { noise } from "./noise.ts";

const [dir, work, seedText] = process.argv.slice(2);
let state = Number(seedText);
const random = (below: number) => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state % below;
};
const say = (line: string) => writeSync(1, `${line}\n`);

await using store = await openLocalStore(dir);
say("open");
for (;;) {
  const tree = join(work, "tree");
  mkdirSync(join(tree, "sub"), { recursive: true });
  for (let i = 0; i < 40; i++)
    writeFileSync(join(tree, i % 2 ? "sub" : "", `${random(60)}`), noise(random(40_000), state));
  writeFileSync(join(tree, "large"), noise(300_000 + random(2_000_000), state));
  {
    await using lease = await store.leases.openLease("torture");
    const { node, narSha256, narSize } = await store.addTree(tree, { lease });
    const path = parseStorePath(`${state.toString(16).padStart(32, "0").replaceAll("e", "g")}-tree`);
    const info = { path, node, narSha256, narSize, references: [], signatures: [], registeredAt: 1 };
    await store.pathInfos.put([info], { lease });
    await store.roots.addRoot(`${state}`, path);
  }
  say(`path ${state.toString(16).padStart(32, "0").replaceAll("e", "g")}`);
  await using lease = await store.leases.openLease("torture");
  const sizes = Array.from({ length: 4 }, () => random(900_000));
  const digests = await Promise.all(sizes.map((size, i) => store.blobs.put(noise(size, state + i), { lease })));
  say(`blobs ${digests.length}`);
  if (random(4) === 0) {
    await store.collectGarbage().catch((thrown: unknown) => {
      if (!(thrown instanceof StoreError && thrown.code === "busy")) throw thrown; // the other process collects
    });
  }
  if (random(10) === 0) rmSync(tree, { recursive: true });
}
