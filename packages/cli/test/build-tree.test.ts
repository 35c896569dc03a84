/* Which builds have a row, and what hangs on what. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type BuildStatus, BuildTree } from "../src/build-tree.ts";

/** `a: b c` lines: what each needs. */
function treeOf(text: string): BuildTree {
  const tree = new BuildTree();
  tree.add(
    text
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/:\s*/))
      .map(([name, needs = ""]) => ({ drvPath: name, name, dependencies: needs.split(" ").filter(Boolean) })),
  );
  return tree;
}

function shown(tree: BuildTree, rowsMax = 20): string[] {
  return tree
    .rows(rowsMax)
    .map(({ branch, name, status, waiting }) => `${branch}${name} ${status}${waiting === 0 ? "" : ` +${waiting}`}`);
}

const GRAPH = `
  app: lib tool
  lib: base other
  tool: base
  base:
  other:`;

function set(tree: BuildTree, statuses: Readonly<Record<string, BuildStatus>>): BuildTree {
  for (const [name, status] of Object.entries(statuses)) tree.set(name, status);
  return tree;
}

test("what is running hangs on what waits for it; chains of waiting builds are one row", () => {
  assert.deepEqual(shown(set(treeOf(GRAPH), { base: "running" })), ["app waiting +3", "└─ base running"]);
  assert.deepEqual(shown(set(treeOf(GRAPH), { base: "running", other: "running" })), [
    "app waiting +1",
    "└─ lib waiting",
    "   ├─ base running",
    "   └─ other running",
  ]);
});

test("what is done has no row, what failed keeps its own", () => {
  const tree = set(treeOf(GRAPH), { base: "done", other: "failed", tool: "running" });
  assert.deepEqual(shown(tree), ["app waiting +1", "├─ other failed", "└─ tool running"]);
  assert.deepEqual(
    shown(set(treeOf(GRAPH), { base: "done", other: "done", lib: "done", tool: "done", app: "done" })),
    [],
  );
});

test("nothing running is nothing shown", () => {
  assert.deepEqual(shown(treeOf(GRAPH)), []);
});

test("where there is no room for the tree, what is running is shown alone", () => {
  const tree = set(treeOf(GRAPH), { base: "running", other: "running" });
  assert.deepEqual(shown(tree, 2), ["base running", "other running"]);
  assert.equal(shown(tree, 3).length, 3);
});

test("builds that are added later take their place, and keep what was known of them", () => {
  const tree = set(treeOf("base:"), { base: "running" });
  tree.add([{ drvPath: "top", name: "top", dependencies: ["base", "elsewhere"] }]);
  assert.deepEqual(shown(tree), ["top waiting", "└─ base running"]);
});
