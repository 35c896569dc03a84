/* Directories of peers of which none is trusted: what comes is what was asked for, liars are named and left alone. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Directory,
  type DirectoryService,
  digestOf,
  MemoryDirectories,
  PeerDirectories,
  TieredDirectories,
} from "@firn/castore";
import { directoryServiceContract } from "@firn/castore/contract";
import { Faults, faultyDirectories } from "./faulty.ts";

directoryServiceContract("peers, with a writable store behind", async () => {
  const store = new MemoryDirectories();
  return { directories: new TieredDirectories([new PeerDirectories([store, store]), store]), close: async () => {} };
});

const LEAF = new Directory([{ name: "link", node: { kind: "symlink", target: "a" } }]);
const OTHER = new Directory([{ name: "link", node: { kind: "symlink", target: "b" } }]);
const ROOT = new Directory([{ name: "leaf", node: { kind: "directory", digest: LEAF.digest, size: LEAF.size } }]);
const ABSENT = digestOf(new Uint8Array(1));

/** A source that has the tree; a liar sends another leaf. `asked` grows with each call. */
async function source(lies: "honest" | "lies" = "honest") {
  const store = new MemoryDirectories();
  for (const directory of [LEAF, OTHER, ROOT]) await store.put(directory);
  const asked: string[] = [];
  const told = (directory: Directory) => (lies === "lies" && directory.digest === LEAF.digest ? OTHER : directory);
  const service: DirectoryService = {
    supports: { write: false, everyDirectory: true },
    has: async (digest) => {
      asked.push("has");
      return store.has(digest);
    },
    get: async (digest) => {
      asked.push("get");
      const directory = await store.get(digest);
      return directory && told(directory);
    },
    async *getRecursive(root) {
      asked.push("getRecursive");
      for await (const directory of store.getRecursive(root)) yield told(directory);
    },
    put: async (directory) => directory.digest,
    openPut: () => store.openPut(),
  };
  return { service, asked };
}

const namesOf = async (directories: DirectoryService) =>
  (await Array.fromAsync(directories.getRecursive(ROOT.digest))).map(({ digest }) => digest);

const ASKS: Readonly<Record<string, (peers: DirectoryService) => Promise<void>>> = {
  "one directory": async (peers) => assert.equal((await peers.get(LEAF.digest))?.digest, LEAF.digest),
  "a tree": async (peers) => assert.deepEqual(await namesOf(peers), [ROOT.digest, LEAF.digest]),
};

for (const [what, ask] of Object.entries(ASKS)) {
  test(`a source that lies about ${what} is named once and never asked again`, async () => {
    const [liar, honest] = [await source("lies"), await source()];
    const lies: [number, string][] = [];
    const peers = new PeerDirectories([liar.service, honest.service], {
      onLie: (number, found) => lies.push([number, found.message]),
    });
    await ask(peers);
    assert.deepEqual(peers.liars, [0]);
    const before = liar.asked.length;
    for (const again of Object.values(ASKS)) await again(peers);
    assert.equal(await peers.has(ABSENT), false, "those who are asked all said no");
    assert.equal(liar.asked.length, before);
    assert.equal(lies.length, 1);
    assert.equal(lies[0][0], 0);
    assert.match(lies[0][1], /^source 1 of 2: /);
  });
}

test("liars alone give an error that names one, before and after they are known", async () => {
  const sources = [await source("lies"), await source("lies")];
  const peers = new PeerDirectories(sources.map(({ service }) => service));
  for (let i = 0; i < 2; i++)
    await assert.rejects(peers.get(LEAF.digest), { code: "corrupt", message: /^source 1 of 2: / });
  assert.deepEqual(peers.liars, [0, 1]);
});

test("one whose connection breaks is no liar", async () => {
  const faults = new Faults();
  faults.breaks.push(1);
  faults.failing.set("get", 1);
  const peers = new PeerDirectories([faultyDirectories((await source()).service, faults), (await source()).service]);
  for (const ask of Object.values(ASKS)) await ask(peers);
  assert.deepEqual(peers.liars, []);
});

test("peers are only read", async () => {
  const peers = new PeerDirectories([new MemoryDirectories()]);
  await assert.rejects(peers.put(), { code: "unsupported" });
  assert.throws(() => peers.openPut(), { code: "unsupported" });
});
