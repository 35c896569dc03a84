/* The store as a whole: formats, several processes and threads, killed writers, damage, full disks, leases and roots. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { type LocalStore, openLocalStore, openLocalStoreSync } from "@firn/backend-local";
import { type Digest, Directory, digestOf, readBlob } from "@firn/castore";
import { parseStorePath } from "@firn/nix-compat";
import { calculateNar } from "@firn/store";
import { decodeBlobRecord } from "../src/blob-record.ts";
import { ChunkStore } from "../src/chunk-store.ts";
import { Packs } from "../src/packs.ts";
import { HEAD_BYTES } from "../src/record-head.ts";
import { digestKey, StoreIndex } from "../src/store-index.ts";
import { noise } from "./noise.ts";
import { describeTree, makeOddTree, temporaryDir } from "./odd-tree.ts";
import { collectSync } from "./sync-read.ts";

const CHILD = new URL("./store-child.ts", import.meta.url).pathname;
const path = parseStorePath(`${"a".repeat(32)}-tree`);

function child(dir: string, tree: string) {
  const process_ = spawn(process.execPath, [CHILD, dir, tree], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  process_.stdout.on("data", (chunk) => (output += chunk));
  process_.stderr.on("data", (chunk) => (errors += chunk));
  const ended = new Promise<number | null>((resolve) => process_.on("close", resolve));
  const opened = Promise.race([ended, new Promise<void>((resolve) => process_.stdout.once("data", () => resolve()))]);
  return { process: process_, opened, ended, output: () => output, errors: () => errors };
}

async function register(store: LocalStore, tree: string) {
  const node = await store.importer.importTree(tree);
  const nar = await calculateNar(node, store);
  await store.pathInfos.put([{ path, node, ...nar, references: [], signatures: [], registeredAt: 1 }]);
  return node;
}

describe("the format of a store", () => {
  test("is written when a store is made, and read again", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "new", "store");
    await (await openLocalStore(at)).close();
    assert.equal(readFileSync(join(at, "format"), "latin1"), "firn-local-store\nversion 1\nfeatures\n");
    await (await openLocalStore(at, { create: false })).close();
  });

  const refused: [string, string, string, RegExp][] = [
    [
      "a newer version",
      "firn-local-store\nversion 2\nfeatures\n",
      "unknown-format",
      /format version 2, this Firn knows versions up to 1/,
    ],
    [
      "an unknown feature",
      "firn-local-store\nversion 1\nfeatures chunks\n",
      "unknown-format",
      /what this Firn does not know \(chunks\)/,
    ],
    ["another text", "something else\n", "not-a-store", /not that of a Firn store/],
  ];
  for (const [name, text, code, message] of refused) {
    test(`with ${name} is refused and nothing is touched`, async () => {
      using dir = temporaryDir();
      writeFileSync(join(dir.path, "format"), text);
      await assert.rejects(openLocalStore(dir.path), { code, message });
      assert.throws(() => openLocalStoreSync(dir.path), { code, message });
      assert.deepEqual(readdirSync(dir.path), ["format"]);
    });
  }

  test("a directory that holds something else is refused, an absent one only made when asked", async () => {
    using dir = temporaryDir();
    writeFileSync(join(dir.path, "letter.txt"), "");
    await assert.rejects(openLocalStore(dir.path), { code: "not-a-store", message: /holds letter.txt/ });
    await assert.rejects(openLocalStore(join(dir.path, "x"), { create: false }), { code: "not-a-store" });
    assert.throws(() => openLocalStoreSync(join(dir.path, "x")), { code: "not-a-store" });
    assert.equal(existsSync(join(dir.path, "x")), false);
  });

  test("cannot be read or made where there is no place for it, and that is said", async () => {
    using dir = temporaryDir();
    writeFileSync(join(dir.path, "file"), "");
    await assert.rejects(openLocalStore(join(dir.path, "file", "store")), { code: "storage", message: /ENOTDIR/ });
  });
});

/** Every object the index knows is whole, and everything a directory refers to is there. */
async function verifyAll(dir: string): Promise<{ blobs: number; directories: number }> {
  const index = new StoreIndex(dir);
  const packs = new Packs(dir);
  const chunks = new ChunkStore(index, packs);
  const count = { blobs: 0, directories: 0 };
  // A chunk is a blob of its own.
  for (const key of index.chunks.getKeys()) {
    await chunks.read(Buffer.from(key).toString("hex") as Digest);
    if (!index.blobs.doesExist(key)) count.blobs++;
  }
  for (const { key, value } of index.blobs.getRange()) {
    const digest = Buffer.from(key).toString("hex") as Digest;
    const record = decodeBlobRecord(value, digest);
    if (record.kind === "inline") assert.equal(digestOf(record.bytes), digest);
    else {
      const parts = await Promise.all(record.chunks.map((chunk) => chunks.read(chunk.digest)));
      assert.equal(digestOf(Buffer.concat(parts)), digest);
    }
    count.blobs++;
  }
  for (const { key, value } of index.directories.getRange()) {
    const directory = Directory.decodeVerified(value.subarray(HEAD_BYTES), Buffer.from(key).toString("hex") as Digest);
    for (const { node } of directory.entries) {
      if (node.kind === "symlink") continue;
      const tables = node.kind === "directory" ? [index.directories] : [index.blobs, index.chunks];
      const isThere = tables.some((table) => table.doesExist(digestKey(node.digest)));
      assert.ok(isThere, `${node.kind} ${node.digest} is there`);
    }
    count.directories++;
  }
  packs.close();
  await index.close();
  return count;
}

function makeLargeTree(root: string): void {
  for (let d = 0; d < 40; d++) {
    mkdirSync(join(root, `${d}`), { recursive: true });
    for (let f = 0; f < 50; f++) writeFileSync(join(root, `${d}`, `${f}`), `${d}/${f}`.repeat(1 + ((f * 97) % 900)));
    writeFileSync(join(root, `${d}`, "large"), Buffer.alloc(60_000 + d, `${d}`));
  }
}

describe("several processes", () => {
  test("may import and show the same tree at once", async () => {
    using dir = temporaryDir();
    makeOddTree(join(dir.path, "odd"));
    const at = join(dir.path, "store");
    const children = Array.from({ length: 3 }, () => child(at, join(dir.path, "odd")));
    for (const { ended, errors } of children) assert.equal(await ended, 0, errors());
    const answers = new Set(children.map(({ output }) => output()));
    assert.equal(answers.size, 1);
    const shown = JSON.parse(children[0].output().split("\n")[1]) as { path: string };
    assert.deepEqual(describeTree(shown.path), describeTree(join(dir.path, "odd")));
    await verifyAll(at);
    assert.deepEqual(readdirSync(join(at, "trees")).length, 1);
  });

  test("one sees what another registered while both are open", async () => {
    using dir = temporaryDir();
    makeOddTree(join(dir.path, "odd"));
    await using store = await openLocalStore(join(dir.path, "store"));
    const other = child(join(dir.path, "store"), join(dir.path, "odd"));
    assert.equal(await other.ended, 0, other.errors());
    const { node } = JSON.parse(other.output().split("\n")[1]) as { node: { digest: Digest } };
    assert.ok(await store.directories.has(node.digest));
    assert.equal((await Array.fromAsync(store.directories.getRecursive(node.digest)))[0].digest, node.digest);
  });
});

test("an import that is killed leaves a store that opens, whose objects are whole, and which can go on", async () => {
  using dir = temporaryDir();
  const at = join(dir.path, "store");
  makeLargeTree(join(dir.path, "large"));
  let killed = 0;
  for (const delay of [0, 20, 60, 120, 200, 300]) {
    const victim = child(at, join(dir.path, "large"));
    await victim.opened;
    await new Promise((resolve) => setTimeout(resolve, delay));
    victim.process.kill("SIGKILL");
    const status = await victim.ended;
    if (status === null) killed++;
    else assert.equal(status, 0, victim.errors());
    await (await openLocalStore(at)).close();
    assert.deepEqual(readdirSync(join(at, "staging")), []);
    await verifyAll(at);
    if (delay === 120) rmSync(join(at), { recursive: true, force: true });
  }
  assert.ok(killed > 0, "at least one was killed in the middle");
  const last = child(at, join(dir.path, "large"));
  assert.equal(await last.ended, 0, last.errors());
  const { path: shown } = JSON.parse(last.output().split("\n")[1]) as { path: string };
  assert.deepEqual(describeTree(shown), describeTree(join(dir.path, "large")));
  assert.deepEqual(await verifyAll(at), { blobs: 2040, directories: 41 });
});

describe("damage", () => {
  const packOf = (at: string) => join(at, "packs", readdirSync(join(at, "packs"))[0]);

  async function withDamaged(large: Uint8Array, damage: (pack: string) => void, code: string): Promise<void> {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    const digest = await (async () => {
      await using store = await openLocalStore(at);
      const put = await store.blobs.put(large);
      assert.deepEqual(await readBlob(store.blobs, put, 1 << 20), large);
      return put;
    })();
    damage(packOf(at));
    await using store = await openLocalStore(at);
    await assert.rejects(readBlob(store.blobs, digest, 1 << 20), { code });
    const node = { kind: "file", digest, size: large.length, executable: true } as const;
    await assert.rejects(store.exposer.expose([node]), { code });
    const sync = openLocalStoreSync(at);
    assert.throws(() => sync.readBlob(digest), { code });
    await sync.close();
    assert.equal(await store.blobs.put(large), digest, "putting it again mends it");
    assert.deepEqual(await readBlob(store.blobs, digest, 1 << 20), large);
    await store.close();
    await verifyAll(at);
  }

  for (const [kind, large] of [
    ["one chunk", noise(100_000, 3)],
    ["several chunks", noise(900_000, 4)],
    ["a compressed chunk", new Uint8Array(100_000).map((_, i) => (i * i) >> 9)],
  ] as const) {
    const flip = (at: number) => (pack: string) => {
      const bytes = readFileSync(pack);
      bytes[at < 0 ? bytes.length + at : at] ^= 1;
      writeFileSync(pack, bytes);
    };
    test(`a flipped byte in ${kind} is found before any byte of it is handed out`, async () => {
      await withDamaged(large, flip(70), "corrupt");
      await withDamaged(large, flip(-10), "corrupt");
    });
    test(`a cut pack under ${kind} is found`, () => withDamaged(large, (pack) => truncateSync(pack, 500), "missing"));
    test(`a pack that is gone under ${kind} is named`, () => withDamaged(large, (pack) => rmSync(pack), "missing"));
  }

  test("a flipped byte in the index is found", async () => {
    using dir = temporaryDir();
    await using store = await openLocalStore(join(dir.path, "store"));
    const digest = await store.blobs.put(new Uint8Array(50));
    const directory = new Directory([{ name: "a", node: { kind: "file", digest, size: 50, executable: false } }]);
    await store.directories.put(directory);
    await store.close();
    const index = new StoreIndex(join(dir.path, "store"));
    const flipped = (bytes: Uint8Array | undefined) => {
      const copy = Buffer.from(bytes as Uint8Array);
      copy[20] ^= 1;
      return copy;
    };
    await index.blobs.put(digestKey(digest), flipped(index.blobs.getBinary(digestKey(digest))));
    const key = digestKey(directory.digest);
    await index.directories.put(key, flipped(index.directories.getBinary(key)));
    await index.close();
    await using again = await openLocalStore(join(dir.path, "store"));
    await assert.rejects(again.blobs.openRead(digest), { code: "corrupt" });
    await assert.rejects(again.directories.get(directory.digest), { code: "corrupt" });
  });
});

test("a full disk is a storage error that says so, and the store still opens", async (t) => {
  using dir = temporaryDir();
  const disk = join(dir.path, "disk");
  mkdirSync(disk);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]).status !== 0) {
    t.skip("no right to mount a small file system");
    return;
  }
  try {
    const store = await openLocalStore(join(disk, "store"));
    const kept = await store.blobs.put(new Uint8Array(1000));
    await assert.rejects(store.blobs.put(noise(8 << 20, 1)), { code: "storage", message: /the disk is full/ });
    mkdirSync(join(dir.path, "tree"));
    for (let i = 0; i < 2000; i++) writeFileSync(join(dir.path, "tree", `${i}`), `${i}`.padEnd(6000));
    await assert.rejects(store.importer.importTree(join(dir.path, "tree")), {
      code: "storage",
      message: /the disk is full/,
    });
    await assert.rejects(register(store, join(dir.path, "tree")), { code: "storage" });
    await store.close();
    await using again = await openLocalStore(join(disk, "store"));
    assert.equal((await readBlob(again.blobs, kept, 1000)).length, 1000);
  } finally {
    assert.equal(spawnSync("umount", [disk]).status, 0);
  }
});

describe("the synchronous side", () => {
  test("reads what is there, in a thread of its own and beside an open store", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    await using store = await openLocalStore(at);
    makeOddTree(join(dir.path, "odd"));
    const node = await register(store, join(dir.path, "odd"));
    assert.ok(node.kind === "directory");
    const entries = (await store.directories.get(node.digest))?.entries.length;
    const small = await store.blobs.put(new Uint8Array(10));
    const large = await store.blobs.put(new Uint8Array(50_000));
    const questions = { hashPart: path.hashPart, root: node.digest, small, large };
    const expected = { name: "tree", entries, small: 10, large: 50_000, absent: "nothing" };
    const worker = new Worker(new URL("./sync-worker.ts", import.meta.url), { workerData: { dir: at, ...questions } });
    const answer = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    assert.deepEqual(answer, expected);
    await new Promise((resolve) => worker.once("exit", resolve));
    const sync = openLocalStoreSync(at);
    assert.deepEqual(collectSync(sync, questions), expected);
    assert.throws(() => sync.readBlob(large, 49_999), { code: "limit" });
    await sync.close();
    assert.ok(await store.blobs.has(small), "the store is still open");
  });
});

describe("roots and leases", () => {
  test("a root holds a registered path under a name or while a link is there", async () => {
    using dir = temporaryDir();
    await using store = await openLocalStore(join(dir.path, "store"));
    await assert.rejects(store.roots.addRoot("hello", path), { code: "invalid-root" });
    mkdirSync(join(dir.path, "tree"));
    await register(store, join(dir.path, "tree"));
    await store.roots.addRoot("hello – ü", path);
    const link = join(dir.path, "result");
    await store.roots.addIndirectRoot(link, path);
    assert.deepEqual(store.roots.listRoots(), [{ name: "hello – ü", link: undefined, path }]);
    symlinkSync(`somewhere/${path}/bin`, link);
    assert.deepEqual(
      store.roots
        .listRoots()
        .map((root) => root.link ?? root.name)
        .sort(),
      [link, "hello – ü"].sort(),
    );
    await store.roots.removeRoot("hello – ü");
    assert.deepEqual(store.roots.listRoots(), [{ name: undefined, link, path }]);
    for (const bad of ["", "a\nb", "x".repeat(201)])
      await assert.rejects(store.roots.addRoot(bad, path), { code: "invalid-root" });
    await assert.rejects(store.roots.addIndirectRoot("relative", path), { code: "invalid-root" });
  });

  test("a lease is listed while it is open, and that of a dead process is forgotten", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    await using store = await openLocalStore(at);
    const lease = await store.leases.openLease("build hello");
    assert.deepEqual(
      store.leases.list().map(({ label, id }) => [label, id]),
      [["build hello", lease.id]],
    );
    const index = new StoreIndex(at);
    const dead = { id: "x", label: "gone", holder: "000000000000-1-1-1", openedAt: 1 };
    await index.leases.put(Buffer.from("x"), Buffer.from(JSON.stringify(dead)));
    assert.equal(store.leases.list().length, 1);
    await (await openLocalStore(at)).close();
    assert.equal(index.leases.doesExist(Buffer.from("x")), false);
    await index.close();
    await lease.release();
    assert.deepEqual(store.leases.list(), []);
  });

  test("a path cannot be registered before its contents are stored", async () => {
    using dir = temporaryDir();
    await using store = await openLocalStore(join(dir.path, "store"));
    const node = { kind: "file", digest: digestOf(new Uint8Array(3)), size: 3, executable: false } as const;
    const info = {
      path,
      node,
      narSha256: new Uint8Array(32),
      narSize: 120,
      references: [],
      signatures: [],
      registeredAt: 1,
    };
    await assert.rejects(store.pathInfos.put([info]), { code: "missing" });
  });
});
