/*
Works on a store parts of which cannot be written to, as a user to whom modes matter: root gives up being root, once all code is loaded. Says of
each part and operation `ok`, or the code and message of its refusal, and what a verification finds when modes are as they were.

    node read-only-child.ts DIRECTORY
*/

import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type LocalStore, openLocalStore } from "@firn/backend-local";
import { Directory } from "@firn/castore";
import { makeFixedOutputPath } from "@firn/nix-compat";
import { calculateNar } from "@firn/store";
import { noise } from "./noise.ts";

const [dir] = process.argv.slice(2);
const PARTS = [".", "index", "index/data.mdb", "packs", "files", "trees", "staging"];
let made = 0;

/** Puts, registers, shows and collects; contents are new each time. */
const OPERATIONS: Readonly<Record<string, (store: LocalStore) => Promise<unknown>>> = {
  put: (store) => store.blobs.put(noise(300_000, ++made)),
  import: async (store) => {
    const tree = join(dir, `tree-${++made}`);
    mkdirSync(tree);
    writeFileSync(join(tree, "file"), noise(200_000, made));
    const node = await store.importer.importTree(tree);
    const nar = await calculateNar(node, store);
    const hash = { algorithm: "sha256", bytes: nar.narSha256 } as const;
    const path = makeFixedOutputPath({ method: "nar", hash, name: "tree" }, "/nix/store");
    await store.pathInfos.put([{ path, node, ...nar, references: [], signatures: [], registeredAt: 1 }]);
    await store.roots.addRoot(`root-${made}`, path);
  },
  show: async (store) => {
    const digest = await store.blobs.put(Buffer.from(`shown ${++made}`));
    const size = `shown ${made}`.length;
    const directory = new Directory([{ name: "a", node: { kind: "file", digest, size, executable: false } }]);
    await store.directories.put(directory);
    await (await store.exposer.expose([directory.node])).release();
  },
  gc: (store) => store.collectGarbage(),
};

async function attempt(what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
    process.stdout.write(`${what} ok\n`);
  } catch (thrown) {
    const { code, message } = thrown as { readonly code?: string; readonly message: string };
    process.stdout.write(`${what} ${code}: ${message.replaceAll("\n", " ")}\n`);
  }
}

async function runAll(storeDir: string, part: string): Promise<void> {
  for (const [name, work] of Object.entries(OPERATIONS)) {
    await attempt(`${part} ${name}`, async () => {
      await using store = await openLocalStore(storeDir);
      await work(store);
    });
  }
}

// Loads what is loaded when it is needed.
await using warm = await openLocalStore(join(dir, "warm"));
for (const work of Object.values(OPERATIONS)) await work(warm);
if (process.getuid?.() === 0) {
  const { uid, gid } = statSync(dir);
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

const storeDir = join(dir, "store");
await runAll(storeDir, "nothing");
for (const part of PARTS) {
  {
    await using store = await openLocalStore(storeDir);
    await OPERATIONS.show(store); // so that a collection has a tree to remove
  }
  rmSync(join(storeDir, "staging"), { recursive: true });
  mkdirSync(join(storeDir, "staging")); // without what this process has there already
  const path = join(storeDir, part);
  const { mode } = statSync(path);
  chmodSync(path, mode & 0o555);
  await runAll(storeDir, part);
  chmodSync(path, mode);
  await using store = await openLocalStore(storeDir);
  process.stdout.write(`${part} findings ${(await store.verify({ nar: true })).findings.length}\n`);
}
