/* Trees added again: what did not change is not read, what did is seen, and the hash of the NAR is right whichever way it was found. */

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type LocalStore, openLocalStore } from "@firn/backend-local";
import { calculateNar } from "@firn/store";
import { beginEpoch } from "../src/record-head.ts";
import { SeenDirectory, SeenFiles, statKey } from "../src/stat-cache.ts";
import { StoreIndex } from "../src/store-index.ts";
import { makeOddTree, temporaryDir } from "./odd-tree.ts";

async function addAndCheck(store: LocalStore, tree: string, statCache = true) {
  const { node, narSha256, narSize } = await store.addTree(tree, { statCache });
  assert.deepEqual({ narSha256, narSize }, await calculateNar(node, store));
  assert.deepEqual(node, await store.importer.importTree(tree), "a plain import reads everything and agrees");
  return node;
}

/** Opens a store with its index beside it. */
async function withIndex(body: (store: LocalStore, index: StoreIndex, dir: string) => Promise<void>): Promise<void> {
  using dir = temporaryDir();
  await using store = await openLocalStore(join(dir.path, "store"));
  const index = new StoreIndex(join(dir.path, "store"));
  try {
    await body(store, index, dir.path);
  } finally {
    await index.close();
  }
}

const NODE = { kind: "directory", digest: "1".repeat(64), size: 77 } as never;

/** As if the last import had been long after the last change: only then are files remembered. */
function rememberOlder(index: StoreIndex, tree: string, names: readonly string[], digests: readonly string[]): void {
  const seen = new SeenFiles(Date.now() + 10_000);
  names.forEach((name, i) => {
    seen.file(name, statSync(join(tree, name)), digests[i] as never);
  });
  const record = seen.encode(statSync(tree), NODE, false);
  index.write(() => index.stats.putSync(statKey(tree), Buffer.concat([Buffer.alloc(4), record])));
}

describe("what is remembered of a directory", () => {
  test("is read as it was written, entries of every kind in their order", () => {
    const stats = { mtimeMs: 1.5, ctimeMs: 2.5, ino: 2 ** 40, size: 4096 };
    const young = { ...stats, ctimeMs: 10_000 };
    const digest = (of: string) => of.repeat(64) as never;
    const seen = new SeenFiles(11_000);
    seen.file("a", stats, digest("a"));
    seen.directory("b");
    seen.symlink("c", "over there/".repeat(100));
    seen.file("d", young, digest("d"));
    seen.file("e".repeat(255), stats, digest("e"));
    const record = Buffer.concat([Buffer.alloc(4), seen.encode(stats, NODE, true)]);
    const read = new SeenDirectory(record);
    assert.deepEqual(
      read.entries.map(({ name, kind, target }) => [name, kind, target]),
      [
        ["a", "file", ""],
        ["b", "directory", ""],
        ["c", "symlink", "over there/".repeat(100)],
        ["d", "file", ""],
        ["e".repeat(255), "file", ""],
      ],
    );
    assert.deepEqual(read.node, NODE);
    assert.equal(read.find("a", stats)?.digest, digest("a"));
    assert.equal(read.find("b", stats), undefined, "a directory is no file");
    assert.equal(read.find("d", young), undefined, "what is racy was not kept");
    assert.equal(read.find("e".repeat(255), stats)?.digest, digest("e"));
    assert.equal(read.isListed(stats), true);
    for (const other of [{ mtimeMs: 1 }, { ctimeMs: 1 }, { ino: 1 }, { size: 1 }])
      assert.equal(read.isListed({ ...stats, ...other }), false);
    const some = new SeenDirectory(Buffer.concat([Buffer.alloc(4), seen.encode(stats, NODE, false)]));
    assert.equal(some.isListed(stats), false, "entries were left out");
    const racy = new SeenDirectory(Buffer.concat([Buffer.alloc(4), seen.encode(young, NODE, true)]));
    assert.equal(racy.isListed(young), false);
    assert.throws(() => new SeenDirectory(record.subarray(0, record.length - 1)), RangeError);
    for (let at = 4; at < record.length; at++) {
      const flipped = Buffer.from(record);
      flipped[at] ^= 1 << (at % 8);
      assert.throws(() => new SeenDirectory(flipped), RangeError, `byte ${at}`);
    }
  });
});

describe("a tree that is added again", () => {
  test("has the same node and NAR hash, with the cache and without, whatever is in it", () =>
    withIndex(async (store, _, dir) => {
      makeOddTree(join(dir, "odd"));
      const node = await addAndCheck(store, join(dir, "odd"));
      for (const statCache of [true, true, false])
        assert.deepEqual(await addAndCheck(store, join(dir, "odd"), statCache), node);
    }));

  test("is seen as changed when a file's contents, mode, name or kind changed", () =>
    withIndex(async (store, _, dir) => {
      const tree = join(dir, "tree");
      mkdirSync(join(tree, "sub"), { recursive: true });
      for (const name of ["a", "b", "sub/c"]) writeFileSync(join(tree, name), name.repeat(10));
      const digests = new Set([(await addAndCheck(store, tree)) as { digest?: string }].map(({ digest }) => digest));
      const changes = [
        () => writeFileSync(join(tree, "a"), "A".repeat(10)),
        () => chmodSync(join(tree, "b"), 0o755),
        () => renameSync(join(tree, "sub/c"), join(tree, "sub/d")),
        () => rmSync(join(tree, "a")),
        () => mkdirSync(join(tree, "a")),
        () => writeFileSync(join(tree, "0"), "before all others"),
      ];
      for (const change of changes) {
        change();
        const node = await addAndCheck(store, tree);
        assert.ok(node.kind === "directory" && !digests.has(node.digest), change.toString());
        digests.add(node.digest);
      }
    }));

  test("is not read where files look as they did, and is when the blob is not certain to be there", () =>
    withIndex(async (store, index, dir) => {
      const tree = join(dir, "tree");
      mkdirSync(tree);
      writeFileSync(join(tree, "a"), "real contents");
      const other = await store.blobs.put(Buffer.from("same length.."));
      rememberOlder(index, tree, ["a"], [other]);
      const { node } = await store.addTree(tree);
      assert.ok(node.kind === "directory");
      const file = (await store.directories.get(node.digest))?.get("a");
      assert.equal(file?.kind === "file" && file.digest, other, "the cache was believed, so the file was not opened");
      index.write(() => beginEpoch(index));
      await new Promise(setImmediate);
      await addAndCheck(store, tree);
    }));

  test("is read when an entry is racy: changed within two seconds before it was seen", () => {
    using dir = temporaryDir();
    const path = join(dir.path, "a");
    writeFileSync(path, "x");
    const stats = statSync(path);
    const found = (seenAtMs: number, now = stats) => {
      const seen = new SeenFiles(seenAtMs);
      seen.file("a", stats, "0".repeat(64) as never);
      return new SeenDirectory(Buffer.concat([Buffer.alloc(4), seen.encode(stats, NODE, true)])).find("a", now)?.digest;
    };
    assert.equal(found(stats.ctimeMs + 1999), undefined);
    assert.equal(found(stats.ctimeMs + 2001), "0".repeat(64));
    utimesSync(path, new Date(0), new Date(0));
    assert.equal(found(stats.ctimeMs + 2001, statSync(path)), undefined, "an mtime set back is a change");
    assert.equal(readFileSync(path, "utf8"), "x");
  });
});
