/* Trees built from entries, looked up and walked again. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkRecursive,
  Directory,
  EMPTY_DIGEST,
  lookup,
  MemoryBlobs,
  MemoryDirectories,
  type Node,
  readBlob,
  TREE_DEPTH_MAX,
  TreeBuilder,
  walkTree,
} from "@firn/castore";

const file: Node = { kind: "file", digest: EMPTY_DIGEST, size: 0, executable: false };

async function build(directories: MemoryDirectories): Promise<Node> {
  const builder = new TreeBuilder(directories);
  builder.enter("");
  builder.add(".keep", file);
  builder.enter("keep");
  builder.add(".keep", file);
  await builder.leave();
  builder.add("aa", { kind: "symlink", target: "/nix/store/somewhereelse" });
  await builder.leave();
  return builder.close();
}

test("a tree built entry by entry has the published digest", async () => {
  const root = await build(new MemoryDirectories());
  assert.deepEqual(root, {
    kind: "directory",
    digest: "424a7f6ce08d805d15b428062faae96299a1675d708c3a39261afe38cdd04feb",
    size: 8,
  });
});

test("a tree may be a single file or symlink", async () => {
  const builder = new TreeBuilder(new MemoryDirectories());
  builder.add("", file);
  assert.equal(await builder.close(), file);
});

test("an aborted tree leaves nothing, and a bad name is refused when its directory is left", async () => {
  const directories = new MemoryDirectories();
  {
    await using builder = new TreeBuilder(directories);
    builder.enter("");
    await builder.leave();
  }
  assert.equal(await directories.has(EMPTY_DIGEST), false);
  await using builder = new TreeBuilder(directories);
  builder.enter("");
  builder.add("a/b", file);
  await assert.rejects(builder.leave(), { code: "invalid-name" });
});

test("nesting has a limit", async () => {
  await using builder = new TreeBuilder(new MemoryDirectories());
  for (let depth = 0; depth < TREE_DEPTH_MAX; depth++) builder.enter("d");
  assert.throws(() => builder.enter("d"), { code: "limit" });
});

test("paths are looked up without following symlinks", async () => {
  const directories = new MemoryDirectories();
  const root = await build(directories);
  const find = (path: string) => lookup({ directories }, root, path);
  assert.equal(await find(""), root);
  assert.deepEqual(await find("keep/.keep"), file);
  assert.deepEqual(await find("/keep//.keep/"), file);
  assert.deepEqual(await find("aa"), { kind: "symlink", target: "/nix/store/somewhereelse" });
  assert.equal(await find("aa/x"), undefined);
  assert.equal(await find("nothing"), undefined);
  await assert.rejects(lookup({ directories: new MemoryDirectories() }, root, "keep"), { code: "missing" });
});

test("a walk meets every node in the order of a NAR", async () => {
  const directories = new MemoryDirectories();
  const paths: string[] = [];
  for await (const { path } of walkTree({ directories }, await build(directories))) paths.push(path);
  assert.deepEqual(paths, ["", ".keep", "aa", "keep", "keep/.keep"]);
});

test("a recursive get from a peer must be whole and hold nothing else", async () => {
  const keep = new Directory([{ name: ".keep", node: file }]);
  const root = new Directory([{ name: "keep", node: keep.node }]);
  const check = (...directories: Directory[]) =>
    Array.fromAsync(
      checkRecursive(
        root.digest,
        (async function* () {
          yield* directories;
        })(),
      ),
    );
  assert.deepEqual(await check(), []);
  assert.deepEqual(await check(root, keep, keep), [root, keep]);
  await assert.rejects(check(root), { code: "missing" });
  await assert.rejects(check(keep, root), { code: "invalid-graph" });
  await assert.rejects(check(root, Directory.EMPTY), { code: "invalid-graph" });
});

test("a blob is read whole up to a limit", async () => {
  const blobs = new MemoryBlobs();
  const digest = await blobs.put(new Uint8Array(10).fill(7));
  assert.deepEqual(await readBlob(blobs, digest, 10), new Uint8Array(10).fill(7));
  await assert.rejects(readBlob(blobs, digest, 9), { code: "limit" });
  await assert.rejects(readBlob(blobs, EMPTY_DIGEST, 9), { code: "missing" });
  await assert.rejects(new MemoryBlobs(undefined, 9).put(new Uint8Array(10)), { code: "limit" });
});
