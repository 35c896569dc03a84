/* Graphs of directories in both orders: what is taken, what is refused, and how one order becomes the other. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  checkRecursive,
  type Digest,
  Directory,
  DirectoryGraph,
  EMPTY_DIGEST,
  GRAPH_DIRECTORIES_MAX,
  leavesFirst,
  MemoryDirectories,
  walkDirectories,
} from "@firn/castore";
import fc from "fast-check";

const file = { kind: "file", digest: EMPTY_DIGEST, size: 0, executable: false } as const;
const leaf = new Directory([{ name: "x", node: file }]);
const middle = new Directory([{ name: "leaf", node: leaf.node }]);
const root = new Directory([
  { name: "a", node: leaf.node },
  { name: "b", node: middle.node },
]);
const sized = (size: number) => new Directory([{ name: "leaf", node: { ...leaf.node, size } }]);

async function* streamed(directories: readonly Directory[]) {
  yield* directories;
}

const recursive = (...directories: Directory[]) => Array.fromAsync(checkRecursive(root.digest, streamed(directories)));

describe("leaves to root", () => {
  const graphOf = async (...directories: Directory[]) => {
    const graph = new DirectoryGraph(async () => undefined);
    for (const directory of directories) await graph.add(directory);
    return graph.finish();
  };
  test("a tree is taken, repeats included", async () => {
    assert.equal(await graphOf(leaf, middle, leaf, root), root.digest);
  });
  test("both size rules are taken, in one put too", async () => {
    for (const size of [leaf.size, leaf.specSize]) assert.equal(await graphOf(leaf, sized(size)), sized(size).digest);
    const both = new Directory([
      { name: "by the code", node: { ...leaf.node, size: 2 } },
      { name: "by the prose", node: { ...leaf.node, size: 1 } },
    ]);
    assert.equal(await graphOf(leaf, both), both.digest);
  });
  const refused: [string, Directory[]][] = [
    ["nothing", []],
    ["a parent before its child", [middle]],
    ["two roots", [leaf, Directory.EMPTY]],
    ["a root that is not the last", [leaf, middle, leaf, Directory.EMPTY]],
    ["a size by neither rule", [leaf, sized(3)]],
    ["a size of nothing", [leaf, sized(0)]],
  ];
  for (const [what, directories] of refused) {
    test(`${what} is refused`, () => assert.rejects(graphOf(...directories), { code: "invalid-graph" }));
  }
});

describe("root to leaves", () => {
  test("a tree passes, repeats left out, an absent root is an empty stream", async () => {
    assert.deepEqual(await recursive(root, leaf, middle, leaf, root), [root, leaf, middle]);
    assert.deepEqual(await recursive(root, middle, leaf), [root, middle, leaf]);
    assert.deepEqual(await recursive(), []);
  });
  test("a directory nobody asked for is refused, first, last and before its parent", async () => {
    await assert.rejects(recursive(leaf), { code: "invalid-graph" });
    await assert.rejects(recursive(root, leaf, middle, Directory.EMPTY), { code: "invalid-graph" });
    const deep = new Directory([{ name: "m", node: middle.node }]);
    const early = checkRecursive(deep.digest, streamed([deep, leaf, middle]));
    await assert.rejects(Array.fromAsync(early), { code: "invalid-graph" });
  });
  test("a tree that is cut is missing something", async () => {
    await assert.rejects(recursive(root, leaf), { code: "missing" });
    await assert.rejects(recursive(root), { code: "missing" });
  });
  test("every size said of a directory is checked, before and after it came", async () => {
    const lying = (entries: [string, number][]) =>
      new Directory(entries.map(([name, size]) => ({ name, node: { ...leaf.node, size } })));
    for (const top of [
      lying([["a", 3]]),
      lying([
        ["a", 1],
        ["b", 3],
      ]),
      lying([
        ["a", 3],
        ["b", 2],
      ]),
    ]) {
      const all = checkRecursive(top.digest, streamed([top, leaf]));
      await assert.rejects(Array.fromAsync(all), { code: "invalid-graph" });
    }
    const late = new Directory([{ name: "x", node: { ...leaf.node, size: 7 } }]);
    const top = new Directory([
      { name: "a", node: leaf.node },
      { name: "b", node: late.node },
    ]);
    const all = checkRecursive(top.digest, streamed([top, leaf, late]));
    await assert.rejects(Array.fromAsync(all), { code: "invalid-graph" });
    const fine = lying([
      ["a", 1],
      ["b", 2],
    ]);
    assert.equal((await Array.fromAsync(checkRecursive(fine.digest, streamed([fine, leaf])))).length, 2);
  });
  test("a tree of more directories than the limit is refused while it comes", async () => {
    const entries = Array.from({ length: GRAPH_DIRECTORIES_MAX + 1 }, (_, i) => ({
      name: `${i}`,
      node: { kind: "directory", digest: i.toString(16).padStart(64, "0") as Digest, size: 0 } as const,
    }));
    const wide = new Directory(entries.slice(0, 400_000));
    const more = new Directory(entries.slice(400_000, 800_000));
    const rest = new Directory([
      ...entries.slice(800_000),
      { name: "x", node: more.node },
      { name: "w", node: wide.node },
    ]);
    const all = checkRecursive(rest.digest, streamed([rest, wide, more]));
    await assert.rejects(Array.fromAsync(all), { code: "limit" });
  });
});

describe("from one order to the other", () => {
  test("what a recursive get yields can be put, whatever the graph", async () => {
    // Each directory refers to some of those made before it, so the last one is a root above most.
    const anyGraph = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(anyGraph, async (plan) => {
        const made: Directory[] = [];
        for (const [i, links] of plan.entries()) {
          const children = made.length === 0 ? [] : links.map((link) => made[link % made.length]);
          const entries = children.map((child, at) => ({ name: `d${at}`, node: child.node }));
          made.push(new Directory([...entries, { name: `f${i}`, node: file }]));
        }
        const top = made[made.length - 1];
        const get = async (digest: Digest) => made.find((one) => one.digest === digest);
        const to = new MemoryDirectories();
        const putter = to.openPut();
        for await (const directory of leavesFirst(top.digest, walkDirectories(top.digest, get)))
          await putter.put(directory);
        assert.equal(await putter.close(), top.digest);
        const there = await Array.fromAsync(to.getRecursive(top.digest));
        const expected = await Array.fromAsync(walkDirectories(top.digest, get));
        assert.deepEqual(
          there.map(({ digest }) => digest),
          expected.map(({ digest }) => digest),
        );
      }),
    );
  });
  test("an absent root gives nothing to put", async () => {
    assert.deepEqual(await Array.fromAsync(leavesFirst(root.digest, streamed([]))), []);
  });
});
