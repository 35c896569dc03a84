/*
GNU hello by Firn and by nix-build, compared; then run. Takes some minutes and fetches 90 MB by apt the first time: `npm run slow:examples`.
*/

import assert from "node:assert/strict";
import { test } from "node:test";
import { compareBuilds } from "./compare.ts";
import { fetchDebian } from "./debian.ts";

test("examples/gnu-hello comes out as nix-build makes it", () => {
  fetchDebian();
  const { firn, nix } = compareBuilds("gnu-hello", []);
  const [{ path }] = firn.outputs;
  console.log(`firn ${Math.round(firn.ms / 1000)} s, nix-build ${Math.round(nix.ms / 1000)} s: ${path}`);
  assert.match(path, /-gnu-hello$/);
});
