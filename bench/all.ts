/*
`npm run bench`: every benchmark, each in a process of its own. They measure Firn beside Debian's nix-bin in the same run, and say nothing
about whether a figure is good: a shared machine is a poor judge. BENCH_RUNS sets the number of runs.
*/

import { spawnSync } from "node:child_process";
import { join } from "node:path";

let failed = false;
for (const name of [
  "start-up",
  "evaluation",
  "repeat",
  "import-tree",
  "import-nixpkgs",
  "store-bytes",
  "nar-render",
  "trivial-build",
  "in-process-builds",
  "build-log",
  "grpc",
  "http-blobs",
  "cache",
]) {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${name}.ts`)], { stdio: "inherit" });
  if (status !== 0) failed = true;
}
process.exitCode = failed ? 1 : 0;
