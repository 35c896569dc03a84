/* The first thing a new user builds. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { missing, need } from "../dev/need.ts";
import { compareBuilds } from "./compare.ts";

const mayMount =
  process.getuid?.() === 0 ? need("nix-build") : missing("nix-build gets a private /nix, which needs root");

test("examples/hello comes out as nix-build makes it", { ...mayMount }, () => {
  const { firn } = compareBuilds("hello", []);
  assert.match(firn.outputs[0].path, /-hello\.txt$/);
  assert.equal(compareBuilds("hello", ["greeting", "words", "words.doc"]).firn.outputs.length, 3);
});
