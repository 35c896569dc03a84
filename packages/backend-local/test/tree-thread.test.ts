/* Large trees, which a thread reads: the same nodes, hashes and errors as without one, and no thread stays behind. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type LocalStore, openLocalStore } from "@firn/backend-local";
import { calculateNar } from "@firn/store";
import { makeRing, RingClosed, RingReader, RingWriter } from "../src/tree-ring.ts";
import { PIECE_BYTES_MAX, TreeEvent } from "../src/tree-walk.ts";
import { noise } from "./noise.ts";
import { makeOddTree, temporaryDir } from "./odd-tree.ts";

/** More bytes than are read without a thread, those first. */
function makeLargeTree(tree: string): void {
  mkdirSync(tree, { recursive: true });
  writeFileSync(join(tree, "!large"), noise(34_000_000, 7));
  for (let folder = 0; folder < 5; folder++) {
    mkdirSync(join(tree, `${folder}`, "empty"), { recursive: true });
    for (let i = 0; i < 100; i++) writeFileSync(join(tree, `${folder}`, `${i}`), `${folder} ${i}\n`.repeat(i * 30));
    symlinkSync("../over/there", join(tree, `${folder}`, "link"));
  }
  writeFileSync(join(tree, "large"), noise(3_000_001, 8));
}

async function withStore(body: (store: LocalStore, dir: string) => Promise<void>): Promise<void> {
  using dir = temporaryDir();
  await using store = await openLocalStore(join(dir.path, "store"));
  await body(store, dir.path);
}

const nobody = { file: () => () => {}, symlink: () => {} };

describe("a large tree", () => {
  test("has the same node and NAR hash whether a thread reads it or not, first and again", () =>
    withStore(async (store, dir) => {
      const tree = join(dir, "tree");
      makeOddTree(tree);
      makeLargeTree(tree);
      const { node, narSha256, narSize } = await store.addTree(tree);
      assert.deepEqual(await calculateNar(node, store), { narSha256, narSize });
      const alone = { node, narSha256, narSize };
      assert.deepEqual(await store.addTree(tree), alone);
      assert.deepEqual(await store.addTree(tree, { statCache: false }), alone);
      assert.deepEqual(await store.importer.importTree(tree), node);
      // One who looks on is in this thread, and so is the walk.
      assert.deepEqual(await store.importer.importTree(tree, { observer: nobody }), node);
      assert.deepEqual((await store.verify()).findings, []);
    }));

  test("that is one file is the same too", () =>
    withStore(async (store, dir) => {
      const path = join(dir, "file");
      writeFileSync(path, noise(40_000_000, 1));
      const { node, narSha256, narSize } = await store.addTree(path);
      assert.deepEqual(await calculateNar(node, store), { narSha256, narSize });
      assert.deepEqual(await store.importer.importTree(path, { observer: nobody }), node);
    }));

  test("with something that cannot be kept is refused as by a walk in this thread", () =>
    withStore(async (store, dir) => {
      const tree = join(dir, "tree");
      makeLargeTree(tree);
      assert.equal(spawnSync("mkfifo", [join(tree, "pipe")]).status, 0);
      const expected = { code: "unsupported-file", message: /tree\/pipe is a FIFO/, name: "CastoreError" };
      await assert.rejects(store.addTree(tree), expected);
      await assert.rejects(store.importer.importTree(tree, { observer: nobody }), expected);
    }));

  test("is given up when the signal says so", () =>
    withStore(async (store, dir) => {
      const tree = join(dir, "tree");
      makeLargeTree(tree);
      const stop = new AbortController();
      const onProgress = ({ files }: { readonly files: number }) => {
        if (files > 200) stop.abort(new Error("enough"));
      };
      await assert.rejects(store.addTree(tree, { signal: stop.signal, onProgress }), { message: "enough" });
      assert.ok(await store.addTree(tree));
    }));
});

describe("the ring between two threads", () => {
  test("hands over events as they were sent, beyond its end and around", () => {
    const memory = makeRing();
    const writer = new RingWriter(memory);
    const reader = new RingReader(memory);
    assert.equal(reader.next().kind, "later");
    const event = new TreeEvent();
    event.digest = "ab".repeat(32) as never;
    event.stats = { size: 2 ** 40, mtimeMs: 1.25, ctimeMs: 2.5, ino: 2 ** 50 };
    for (let i = 0; i < 60; i++) {
      event.kind = "file";
      event.name = `n\xff${i}`;
      event.isExecutable = i % 2 === 0;
      event.bytes = writer.memory().subarray(0, i % 3 === 0 ? PIECE_BYTES_MAX : i * 13);
      event.bytes.fill(i);
      writer.send(event);
      event.kind = "symlink";
      event.target = `over/${i}`;
      writer.send(event);
      const file = reader.next();
      assert.equal(file.kind, "file");
      assert.equal(file.name, `n\xff${i}`);
      assert.equal(file.isExecutable, i % 2 === 0);
      assert.equal(file.digest, "ab".repeat(32));
      assert.deepEqual({ ...file.stats }, event.stats);
      assert.equal(file.bytes.length, event.bytes.length);
      assert.deepEqual([file.bytes[0] ?? i, file.bytes.at(-1) ?? i], [i, i]);
      const link = reader.next();
      assert.deepEqual([link.kind, link.name, link.target], ["symlink", `n\xff${i}`, `over/${i}`]);
      assert.equal(reader.next().kind, "later");
    }
    reader.close();
    assert.throws(() => writer.memory(), RingClosed);
  });
});
