/* The object layout: contracts, the facts of the layout read and written by hand, damage, kills and a full disk. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { collectBytes } from "@firn/base";
import { openObjectStore } from "@firn/backend-objects";
import {
  type BlobService,
  CachedDirectories,
  type Digest,
  Directory,
  digestOf,
  EMPTY_DIGEST,
  MemoryDirectories,
} from "@firn/castore";
import {
  blobServiceContract,
  directoryServiceContract,
  leaseServiceContract,
  killedWriterContract,
} from "@firn/castore/contract";

const directory = mkdtempSync(join(tmpdir(), "firn-objects-"));
after(() => rmSync(directory, { recursive: true, force: true }));
let made = 0;
const newDir = () => join(directory, `${++made}`);
const open = async () => ({ ...openObjectStore(newDir()), close: async () => {} });

blobServiceContract("the object store", open);
directoryServiceContract("the object store", open);
leaseServiceContract("the object store", open);

async function read(blobs: BlobService, digest: Digest, from?: number, to?: number): Promise<Uint8Array> {
  await using reader = await blobs.openRead(digest);
  assert.ok(reader, `blob ${digest} is there`);
  return await collectBytes(reader.stream(from, to), 1 << 26, () => new Error("too long"));
}
const objectOf = (dir: string, kind: string, digest: string) => join(dir, kind, "b3", digest.slice(0, 4), digest);
function place(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}
const noise = (length: number) => {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = 5; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
};
const length32 = (length: number) =>
  Buffer.from([length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]);

test("a store that could not be written to can be, once what was in the way is gone", async () => {
  const dir = newDir();
  place(join(dir, ".staging"), new Uint8Array());
  const { blobs } = openObjectStore(dir);
  await assert.rejects(blobs.put(noise(10)), { code: "storage" });
  rmSync(join(dir, ".staging"));
  const digest = await blobs.put(noise(10));
  assert.deepEqual(await read(blobs, digest), noise(10));
});

describe("blobs as others wrote them", () => {
  test("a blob of one chunk is an empty index and the chunk under the blob's own digest", async () => {
    const dir = newDir();
    const bytes = Buffer.from("Hello World!");
    const digest = "5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c" as Digest;
    place(objectOf(dir, "blobs", digest), new Uint8Array());
    place(objectOf(dir, "chunks", digest), zstdCompressSync(bytes));
    const { blobs } = openObjectStore(dir);
    assert.deepEqual(Buffer.from(await read(blobs, digest)), bytes);
    assert.deepEqual(await blobs.chunks(digest), []);
  });

  test("an index lists chunks as StatBlobResponse does, bao or not, and each chunk is readable as a blob", async () => {
    const dir = newDir();
    const parts = [Buffer.from("first part, "), Buffer.alloc(200, "x")];
    const digests = parts.map((part) => digestOf(new Uint8Array(part)));
    const blob = digestOf(new Uint8Array(Buffer.concat(parts)));
    // 2 { 1 digest, 2 size }, sizes 12 and 200 (two bytes as a varint), then 3 with three bytes.
    const index = `12240a20${digests[0]}100c12250a20${digests[1]}10c8011a03aabbcc`;
    place(objectOf(dir, "blobs", blob), Buffer.from(index, "hex"));
    for (const [i, part] of parts.entries()) place(objectOf(dir, "chunks", digests[i]), zstdCompressSync(part));
    const { blobs } = openObjectStore(dir);
    assert.deepEqual(Buffer.from(await read(blobs, blob)), Buffer.concat(parts));
    assert.deepEqual(Buffer.from(await read(blobs, blob, 6, 14)), Buffer.from("part, xx"));
    assert.deepEqual(await blobs.chunks(blob), [
      { digest: digests[0], size: 12 },
      { digest: digests[1], size: 200 },
    ]);
    assert.equal(await blobs.has(digests[1]), true);
    assert.deepEqual(Buffer.from(await read(blobs, digests[1])), parts[1]);
  });

  test("an index that lists the right chunks of another blob is found out before a byte is read", async () => {
    const dir = newDir();
    const { blobs } = openObjectStore(dir);
    const one = await blobs.put(noise(1_500_000));
    const other = await blobs.put(noise(1_600_000));
    place(objectOf(dir, "blobs", one), readFileSync(objectOf(dir, "blobs", other)));
    const fresh = openObjectStore(dir).blobs;
    await assert.rejects(fresh.openRead(one), { code: "corrupt" });
    // The one that wrote it knows the index it wrote, and sees that this is another.
    await assert.rejects(blobs.openRead(one), { code: "corrupt" });
  });

  test("damage in chunks and indexes is found", async () => {
    const dir = newDir();
    const { blobs } = openObjectStore(dir);
    const digest = await blobs.put(noise(100_000));
    const chunk = objectOf(dir, "chunks", digest);
    const good = readFileSync(chunk);
    for (const bad of [zstdCompressSync(noise(99_999)), good.subarray(0, 100), Buffer.from("no zstd")]) {
      writeFileSync(chunk, bad);
      await assert.rejects(blobs.openRead(digest), { code: "corrupt" });
    }
    rmSync(chunk);
    await assert.rejects(blobs.openRead(digest), { code: "missing" });
    for (const bad of ["12", "1222", "0801", `12230a20${digest}10`, `12220a1f${digest}`, "1affffffffffffffffff7f"]) {
      writeFileSync(objectOf(dir, "blobs", digest), Buffer.from(bad, "hex"));
      await assert.rejects(blobs.openRead(digest), { code: "corrupt" }, bad);
    }
  });

  test("a chunk that claims to be huge is refused before it is one", async () => {
    const dir = newDir();
    const digest = digestOf(noise(1));
    place(objectOf(dir, "blobs", digest), new Uint8Array());
    place(objectOf(dir, "chunks", digest), zstdCompressSync(Buffer.alloc(80 * 1024 * 1024)));
    await assert.rejects(openObjectStore(dir).blobs.openRead(digest), { code: "corrupt" });
  });
});

test("blobs are written where others look for them, cut where others cut", async () => {
  const dir = newDir();
  const { blobs } = openObjectStore(dir);
  const bytes = noise(3_000_000);
  const digest = await blobs.put(bytes);
  assert.equal(digest, "814f1bcf0993ba7be23a8babeac4decc51a19b86c4d0d691118793d0ca576724");
  const chunks = await blobs.chunks(digest);
  assert.deepEqual(chunks?.slice(0, 2), [
    { digest: "fc090a1c47b9fea23bd215d85bdc7e74dc11c52cbc61b29187660f916ad22522", size: 332_202 },
    { digest: "23a3e98197bd94e93d1e21ae2dfc02d56647e8c1b00596ed7b67f6dbd7e0c51e", size: 374_285 },
  ]);
  const index = readFileSync(objectOf(dir, "blobs", digest)).toString("hex");
  // 332202 = 0x511aa: aa a3 14 as a varint.
  assert.ok(index.startsWith("12260a20fc090a1c47b9fea23bd215d85bdc7e74dc11c52cbc61b29187660f916ad2252210aaa314"));
  const [first] = chunks ?? [];
  assert.deepEqual(
    zstdDecompressSync(readFileSync(objectOf(dir, "chunks", first.digest))),
    Buffer.from(bytes.subarray(0, first.size)),
  );
  assert.equal(await blobs.put(new Uint8Array()), EMPTY_DIGEST);
  assert.equal(existsSync(objectOf(dir, "chunks", EMPTY_DIGEST)), false);
  assert.deepEqual(readdirSync(join(dir, ".staging")), []);
});

const leaf = new Directory([{ name: "x", node: { kind: "symlink", target: "y" } }]);
const middle = new Directory([{ name: "leaf", node: leaf.node }]);
const root = new Directory([
  { name: "a", node: leaf.node },
  { name: "b", node: middle.node },
]);

describe("trees of directories", () => {
  const encodedTree = (...directories: Directory[]) =>
    zstdCompressSync(Buffer.concat(directories.flatMap(({ encoded }) => [length32(encoded.length), encoded])));

  test("are read as others wrote them: in any order from the root down", async () => {
    for (const order of [
      [root, leaf, middle],
      [root, middle, leaf],
    ]) {
      const dir = newDir();
      place(objectOf(dir, "dirs", root.digest), encodedTree(...order));
      const { directories } = openObjectStore(dir);
      assert.equal((await Array.fromAsync(directories.getRecursive(root.digest))).length, 3);
      assert.equal((await directories.get(middle.digest))?.digest, middle.digest, "known since its root was read");
      assert.equal(await openObjectStore(dir).directories.get(middle.digest), undefined, "only roots are objects");
    }
  });

  test("are written with every directory after all that refer to it", async () => {
    const dir = newDir();
    const { directories } = openObjectStore(dir);
    await using putter = directories.openPut();
    for (const directory of [leaf, middle, root]) await putter.put(directory);
    assert.equal(await putter.close(), root.digest);
    const object = zstdDecompressSync(readFileSync(objectOf(dir, "dirs", root.digest)));
    const expected = [root, middle, leaf].flatMap(({ encoded }) => [length32(encoded.length), encoded]);
    assert.deepEqual(object, Buffer.concat(expected));
    assert.equal(existsSync(objectOf(dir, "dirs", leaf.digest)), false);
  });

  test("that are cut, mixed up or of another root are corrupt", async () => {
    const bad = [
      zstdCompressSync(Buffer.alloc(0)),
      encodedTree(leaf),
      encodedTree(root, leaf),
      encodedTree(middle, leaf, root),
      encodedTree(root, leaf, middle, Directory.EMPTY),
      zstdCompressSync(Buffer.concat([length32(9999), root.encoded])),
      zstdCompressSync(Buffer.from([0, 0])),
      Buffer.from("no zstd"),
    ];
    for (const bytes of bad) {
      const dir = newDir();
      place(objectOf(dir, "dirs", root.digest), bytes);
      await assert.rejects(openObjectStore(dir).directories.get(root.digest), { code: "corrupt" });
    }
  });

  test("come whole through a cache, directories below the root too", async () => {
    const dir = newDir();
    place(objectOf(dir, "dirs", root.digest), encodedTree(root, leaf, middle));
    const near = new MemoryDirectories();
    await near.put(leaf); // some of it is there, so that it would be fetched in parts where that is possible
    const cache = new CachedDirectories(near, openObjectStore(dir).directories);
    assert.equal((await cache.get(root.digest))?.digest, root.digest);
    assert.equal((await near.get(middle.digest))?.digest, middle.digest);
  });
});

killedWriterContract(join(import.meta.dirname, "writer-child.ts"), newDir, openObjectStore);

test("a full disk fails the write that met it, and leaves nothing half-written", async (t) => {
  const disk = join(directory, "small");
  mkdirSync(disk);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]).status !== 0) {
    t.skip("mounting a small file system needs root");
    return;
  }
  try {
    const { blobs } = openObjectStore(disk);
    const small = await blobs.put(noise(1000));
    await assert.rejects(blobs.put(noise(4_000_000)), { code: "storage", message: /disk is full/ });
    assert.equal(await blobs.has(digestOf(noise(4_000_000))), false);
    assert.deepEqual(readdirSync(join(disk, ".staging")), []);
    assert.equal((await read(blobs, small)).length, 1000);
  } finally {
    spawnSync("umount", [disk]);
  }
});
