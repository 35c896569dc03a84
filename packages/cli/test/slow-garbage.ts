/*
Garbage collected beside real builds for TORTURE_SECONDS (60). It prints its seed; `TORTURE_SEED` takes one up again.

    npm run slow:garbage
*/

import process from "node:process";
import { Random } from "../../backend-local/test/random.ts";
import { garbageBesideBuilds } from "./garbage-beside-builds.ts";
import { makeFirn } from "./firn.ts";

const SEED = Number(process.env.TORTURE_SEED ?? Date.now() % 1_000_000);
const SECONDS = Number(process.env.TORTURE_SECONDS ?? 60);

const random = new Random(SEED);
let remove = () => {};
const firn = makeFirn({
  after: (action) => {
    remove = action;
  },
});
process.stdout.write(`seed ${SEED} in ${firn.directory}\n`);
const until = Date.now() + SECONDS * 1000;
const { builds, collections, deleted } = await garbageBesideBuilds(
  firn,
  3,
  () => Date.now() > until,
  (below) => random.below(below),
);
process.stdout.write(
  `${builds} builds and readers beside ${collections} collections, which deleted ${deleted} paths: all well\n`,
);
remove();
