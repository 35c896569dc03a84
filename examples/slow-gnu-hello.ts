/*
GNU hello by Firn and by nix-build, compared; then run. Takes some minutes and fetches 70 MB by apt the first time: `npm run slow:examples`.
*/

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareBuilds } from "./compare.ts";

const FOLDER = join(import.meta.dirname, "gnu-hello");

test("examples/gnu-hello comes out as nix-build makes it", () => {
  if (!existsSync(join(FOLDER, "debs.lock.json"))) {
    execFileSync(join(FOLDER, "fetch-debs.sh"), { stdio: "inherit" });
  }
  const { paths, firnMs, nixMs } = compareBuilds("gnu-hello", []);
  console.log(`firn ${Math.round(firnMs / 1000)} s, nix-build ${Math.round(nixMs / 1000)} s: ${paths.join(" ")}`);
  assert.match(paths[0], /-gnu-hello$/);
});
