/* Materialised files are bounded: the least recently shown go first, and never what somebody shows, in whichever process, or a root's link leads to. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type LocalStore, openLocalStore } from "@firn/backend-local";
import { Directory, type Node } from "@firn/castore";
import { makeFixedOutputPath } from "@firn/nix-compat";
import { calculateNar } from "@firn/store";
import { noise } from "./noise.ts";
import { temporaryDir } from "./odd-tree.ts";

const FILE_BYTES = 100_000;

/** A tree with a file of its own and one that all trees have. */
async function treeOf(store: LocalStore, seed: number): Promise<Node> {
  const entries = [];
  for (const [name, of] of [
    ["own", seed],
    ["shared", 0],
  ] as const) {
    const digest = await store.blobs.put(noise(FILE_BYTES, of));
    entries.push({ name, node: { kind: "file", digest, size: FILE_BYTES, executable: false } as const });
  }
  const directory = new Directory(entries);
  await store.directories.put(directory);
  return directory.node;
}

/** Shows a node, lets go of it, and waits until the file system's clock has moved. */
async function show(store: LocalStore, node: Node): Promise<string> {
  const exposed = await store.exposer.expose([node]);
  await exposed.release();
  await delay(15);
  return exposed.hostPaths[0];
}

const filesIn = (dir: string) =>
  (readdirSync(join(dir, "files"), { recursive: true }) as string[]).filter((name) => /-[rx]$/.test(name)).length;

async function withStore(
  filesBytesMax: number,
  body: (store: LocalStore, dir: string) => Promise<void>,
): Promise<void> {
  using dir = temporaryDir();
  const storeDir = join(dir.path, "store");
  await using store = await openLocalStore(storeDir, { filesBytesMax });
  await body(store, dir.path);
}

describe("the space of materialised files", () => {
  test("is given back by what was not shown for longest, shared files last", () =>
    withStore(4.5 * FILE_BYTES, async (store, dir) => {
      const nodes = [await treeOf(store, 1), await treeOf(store, 2), await treeOf(store, 3), await treeOf(store, 4)];
      const [one, two, three] = [await show(store, nodes[0]), await show(store, nodes[1]), await show(store, nodes[2])];
      assert.equal(filesIn(store.dir), 4);
      await show(store, nodes[0]);
      const four = await show(store, nodes[3]);
      assert.deepEqual([one, two, three, four].map(existsSync), [true, false, true, true]);
      assert.equal(filesIn(store.dir), 4, "those of three trees and the shared one");
      assert.equal(await show(store, nodes[1]), two);
      assert.equal(readdirSync(two).length, 2, "what went is made again");
      assert.equal(existsSync(three), false);
      assert(existsSync(dir));
    }));

  test("is not taken from what is shown, even when that is too much", () =>
    withStore(FILE_BYTES, async (store) => {
      const node = await treeOf(store, 1);
      const exposed = await store.exposer.expose([node]);
      const again = await store.exposer.expose([node]);
      await show(store, await treeOf(store, 2));
      await exposed.release();
      await exposed.release();
      await store.collectGarbage();
      assert.equal(readdirSync(exposed.hostPaths[0]).length, 2);
      await again.release();
      await store.collectGarbage();
      assert.equal(existsSync(exposed.hostPaths[0]), false);
      assert.equal(filesIn(store.dir), 0);
    }));

  test("is not taken from what another process shows, until it ends", async (t) => {
    using dir = temporaryDir();
    const tree = join(dir.path, "tree");
    mkdirSync(tree);
    writeFileSync(join(tree, "file"), noise(FILE_BYTES, 1));
    const storeDir = join(dir.path, "store");
    const script = join(import.meta.dirname, "store-child.ts");
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script, storeDir, tree, "hold"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    let said = "";
    for await (const chunk of child.stdout.setEncoding("utf8")) {
      said += chunk;
      if (said.endsWith("}\n")) break;
    }
    const { path } = JSON.parse(said.split("\n")[1]) as { readonly path: string };
    await using store = await openLocalStore(storeDir, { filesBytesMax: 1 });
    await store.collectGarbage();
    assert.deepEqual(readdirSync(path), ["file"]);
    child.kill("SIGKILL");
    await once(child, "exit");
    await store.collectGarbage();
    assert.equal(existsSync(path), false);
  });

  test("is not taken from what a root's link leads to", () =>
    withStore(1, async (store, dir) => {
      const node = await treeOf(store, 1);
      const nar = await calculateNar(node, store);
      const hash = { algorithm: "sha256", bytes: nar.narSha256 } as const;
      const path = makeFixedOutputPath({ method: "nar", hash, name: "held" }, "/nix/store");
      await store.pathInfos.put([{ path, node, ...nar, references: [], signatures: [], registeredAt: 1 }]);
      symlinkSync(`/nix/store/${path}`, join(dir, "result"));
      await store.roots.addIndirectRoot(join(dir, "result"), path);
      const shown = await show(store, node);
      await store.collectGarbage();
      assert.equal(readdirSync(shown).length, 2);
      await store.roots.removeIndirectRoot(join(dir, "result"));
      await store.collectGarbage();
      assert.equal(existsSync(shown), false);
    }));

  test("counts files and links that are shown by themselves", () =>
    withStore(FILE_BYTES * 1.5, async (store) => {
      const shown: string[] = [];
      for (const seed of [1, 2, 3]) {
        const digest = await store.blobs.put(noise(FILE_BYTES, seed));
        shown.push(await show(store, { kind: "file", digest, size: FILE_BYTES, executable: true }));
        shown.push(await show(store, { kind: "symlink", target: `target ${seed}` }));
      }
      assert.deepEqual(shown.filter((path) => path.endsWith("-x")).map(existsSync), [false, false, true]);
      for (const seed of [1, 2, 3]) await show(store, { kind: "symlink", target: `target ${seed}` });
    }));
});
