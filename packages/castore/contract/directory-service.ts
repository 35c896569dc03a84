/*
What every DirectoryService must do, as tests. `open` makes a fresh, empty service for each test and says how to end it.
*/

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Digest, Directory, type DirectoryService, EMPTY_DIGEST } from "@firn/castore";

type Opened = { readonly directories: DirectoryService; close(): Promise<void> };

const file = (executable: boolean) => ({ kind: "file", digest: EMPTY_DIGEST, size: 0, executable }) as const;
const leaf = new Directory([{ name: ".keep", node: file(false) }]);
const other = new Directory([
  { name: "\xff\x01", node: file(true) },
  { name: "link", node: { kind: "symlink", target: "../\xe9" } },
]);
const middle = new Directory([
  { name: "a", node: leaf.node },
  { name: "b", node: other.node },
  { name: "c", node: leaf.node },
]);
const root = new Directory([
  { name: "leaf", node: leaf.node },
  { name: "middle", node: middle.node },
]);

export function directoryServiceContract(name: string, open: () => Promise<Opened>): void {
  const check = (sentence: string, body: (directories: DirectoryService) => Promise<void>) =>
    test(sentence, async () => {
      const opened = await open();
      try {
        await body(opened.directories);
      } finally {
        await opened.close();
      }
    });

  const putAll = async (directories: DirectoryService): Promise<Digest> => {
    const putter = directories.openPut();
    for (const directory of [leaf, other, middle, root]) await putter.put(directory);
    return putter.close();
  };

  describe(`${name} keeps the contract of a DirectoryService`, () => {
    check("a directory put alone is read back", async (directories) => {
      assert.equal(await directories.put(other), other.digest);
      assert.equal(await directories.has(other.digest), true);
      assert.deepEqual((await directories.get(other.digest))?.entries, other.entries);
      assert.equal(await directories.put(Directory.EMPTY), EMPTY_DIGEST);
      assert.deepEqual((await directories.get(EMPTY_DIGEST))?.entries, []);
    });

    check("an absent directory is undefined, and its recursive get is empty", async (directories) => {
      assert.equal(await directories.has(root.digest), false);
      assert.equal(await directories.get(root.digest), undefined);
      assert.deepEqual(await Array.fromAsync(directories.getRecursive(root.digest)), []);
    });

    check("a tree put leaves first comes back parents first, each directory once", async (directories) => {
      assert.equal(await putAll(directories), root.digest);
      const digests = (await Array.fromAsync(directories.getRecursive(root.digest))).map(({ digest }) => digest);
      assert.equal(digests[0], root.digest);
      assert.ok(digests.indexOf(middle.digest) < digests.indexOf(other.digest));
      assert.deepEqual([...digests].sort(), [root, middle, other, leaf].map(({ digest }) => digest).sort());
    });

    check("a child must be there before its parent, on the handle or in the store", async (directories) => {
      const putter = directories.openPut();
      await putter.put(leaf);
      await assert.rejects(putter.put(middle), { code: "invalid-graph" });
      await putter.abort();
      await assert.rejects(directories.put(middle), { code: "invalid-graph" });
      await directories.put(leaf);
      await directories.put(other);
      assert.equal(await directories.put(middle), middle.digest);
    });

    check("a put has one root and it comes last", async (directories) => {
      const two = directories.openPut();
      await two.put(leaf);
      await two.put(other);
      await assert.rejects(two.close(), { code: "invalid-graph" });
      assert.equal(await directories.has(leaf.digest), false);
      await assert.rejects(directories.openPut().close(), { code: "invalid-graph" });
    });

    check("a child of a wrong size is refused, one of either rule is taken", async (directories) => {
      await directories.put(leaf);
      const sized = (size: number) => new Directory([{ name: "a", node: { ...leaf.node, size } }]);
      await assert.rejects(directories.put(sized(3)), { code: "invalid-graph" });
      await directories.put(sized(leaf.size));
      await directories.put(sized(leaf.specSize));
    });

    check("nothing is visible before a put closes, and an aborted one leaves nothing", async (directories) => {
      const putter = directories.openPut();
      await putter.put(leaf);
      assert.equal(await directories.has(leaf.digest), false);
      await putter.abort();
      assert.equal(await directories.has(leaf.digest), false);
      await assert.rejects(putter.put(leaf), { code: "closed" });
      await assert.rejects(putter.close(), { code: "closed" });
    });

    check("closing a put twice yields the same digest, and putting twice is no error", async (directories) => {
      const putter = directories.openPut();
      await putter.put(leaf);
      await putter.put(leaf);
      assert.equal(await putter.close(), leaf.digest);
      assert.equal(await putter.close(), leaf.digest);
      assert.equal(await putAll(directories), root.digest);
      assert.equal(await putAll(directories), root.digest);
    });

    check("an aborted signal rejects with its reason", async (directories) => {
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      await assert.rejects(async () => directories.get(leaf.digest, { signal }), reason);
      await assert.rejects(async () => directories.put(leaf, { signal }), reason);
    });
  });
}
