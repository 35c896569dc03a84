/* The SQLite store keeps all contracts, loses nothing when it is killed or the disk is full, and refuses files that are not its own. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { collectBytes } from "@firn/base";
import { openSqliteStore } from "@firn/backend-sqlite";
import { type BlobService, type Digest, Directory, digestOf } from "@firn/castore";
import {
  blobServiceContract,
  directoryServiceContract,
  leaseServiceContract,
  killedWriterContract,
} from "@firn/castore/contract";
import { pathInfoServiceContract, realisationServiceContract } from "@firn/store/contract";

const directory = mkdtempSync(join(tmpdir(), "firn-sqlite-"));
after(() => rmSync(directory, { recursive: true, force: true }));
let made = 0;
const newFile = () => join(directory, `${++made}.sqlite`);
const open = async () => openSqliteStore(newFile());

blobServiceContract("the SQLite store", open);
directoryServiceContract("the SQLite store", open);
leaseServiceContract("the SQLite store", open);
pathInfoServiceContract("the SQLite store", open);
realisationServiceContract("the SQLite store", open);

async function read(blobs: BlobService, digest: Digest): Promise<Uint8Array> {
  await using reader = await blobs.openRead(digest);
  assert.ok(reader, `blob ${digest} is there`);
  return await collectBytes(reader.stream(), 1 << 26, () => new Error("too long"));
}

test("what was put is there when the file is opened again, and by two at once", async () => {
  const file = newFile();
  const bytes = new Uint8Array(1_000_001).fill(3);
  const one = openSqliteStore(file);
  const digest = await one.blobs.put(bytes);
  const two = openSqliteStore(file);
  assert.deepEqual(await read(two.blobs, digest), bytes);
  await Promise.all(
    Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).blobs.put(new Uint8Array(30_000).fill(i))),
  );
  await one.close();
  await two.close();
  const again = openSqliteStore(file);
  for (let i = 0; i < 20; i++) assert.equal(await again.blobs.has(digestOf(new Uint8Array(30_000).fill(i))), true);
  await again.close();
});

test("damage is found and never handed out", async () => {
  const file = newFile();
  const store = openSqliteStore(file);
  const small = await store.blobs.put(new Uint8Array(100).fill(1));
  const large = await store.blobs.put(new Uint8Array(600_000).fill(2));
  const directory = await store.directories.put(new Directory([{ name: "x", node: { kind: "symlink", target: "y" } }]));
  await store.close();
  const database = new DatabaseSync(file);
  database.exec("update blobs set bytes = zeroblob(100) where bytes is not null");
  database.exec("update pieces set bytes = zeroblob(length(bytes)) where at > 0");
  database.exec("update directories set encoded = zeroblob(length(encoded))");
  database.close();
  const damaged = openSqliteStore(file);
  await assert.rejects(read(damaged.blobs, small), { code: "corrupt" });
  await assert.rejects(read(damaged.blobs, large), { code: "corrupt" });
  await assert.rejects(damaged.directories.get(directory), { code: "corrupt" });
  await damaged.close();
});

test("what comes after the file was closed is refused, and what came before is stored", async () => {
  const file = newFile();
  const store = openSqliteStore(file);
  const before = store.blobs.put(new Uint8Array(10));
  await store.close();
  await assert.rejects(store.blobs.put(new Uint8Array(20)), { code: "storage", message: /closed/ });
  const again = openSqliteStore(file);
  assert.equal(await again.blobs.has(await before), true);
  await again.close();
});

describe("a file that is something else", () => {
  test("is refused and left alone", () => {
    const text = newFile();
    writeFileSync(text, "this is no database, it is longer than a header of one would be, by a little");
    assert.throws(() => openSqliteStore(text), { code: "storage" });
    const other = newFile();
    const database = new DatabaseSync(other);
    database.exec("create table mine(x)");
    database.close();
    assert.throws(() => openSqliteStore(other), { code: "not-a-store" });
    const later = newFile();
    openSqliteStore(later).close();
    const changed = new DatabaseSync(later);
    changed.exec("pragma user_version = 2");
    changed.close();
    assert.throws(() => openSqliteStore(later), { code: "not-a-store", message: /version 2/ });
    assert.throws(() => openSqliteStore(join(directory, "no", "such", "directory")), { code: "storage" });
  });
});

killedWriterContract(join(import.meta.dirname, "writer-child.ts"), newFile, openSqliteStore);

test("a full disk fails the write that met it and no other", async (t) => {
  const disk = join(directory, "small");
  mkdirSync(disk);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]).status !== 0) {
    t.skip("mounting a small file system needs root");
    return;
  }
  try {
    const store = openSqliteStore(join(disk, "store"));
    const small = await store.blobs.put(new Uint8Array(1000).fill(9));
    const noise = crypto.getRandomValues(new Uint8Array(60_000));
    const large = store.blobs.openWrite();
    const fill = async () => {
      for (let i = 0; i < 200; i++) await large.write(noise);
      await large.close();
    };
    await assert.rejects(fill(), { code: "storage", message: /disk is full/ });
    await large.abort();
    assert.equal((await read(store.blobs, small)).length, 1000);
    await store.close();
    const again = openSqliteStore(join(disk, "store"));
    assert.equal((await read(again.blobs, small)).length, 1000);
    await again.close();
  } finally {
    spawnSync("umount", [disk]);
  }
});
