/* A static store over HTTP: made on the fly by gateway, and published to a directory that any web server can serve. */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openLocalStore } from "@firn/backend-local";
import {
  publishStatic,
  StaticBlobs,
  StaticDirectories,
  StaticFiles,
  StaticPathInfos,
} from "@firn/backend-castore-http";
import { collectBytes } from "@firn/base";
import {
  type BlobService,
  type Digest,
  Directory,
  digestOf,
  type DirectoryService,
  MemoryBlobs,
  readBlob,
  staticName,
  TieredBlobs,
  TieredDirectories,
  transferBlob,
} from "@firn/castore";
import { blobServiceContract, directoryServiceContract } from "@firn/castore/contract";
import { closureOf, copyPaths, type StoreServices } from "@firn/store";
import { chainStore, memoryStore, pathOf, register, treeNode } from "../../store/test/small-store.ts";
import { serveDirectory, serveStore, type Served } from "./served.ts";

const servicesOf = (files: StaticFiles): StoreServices => ({
  blobs: new StaticBlobs(files),
  directories: new StaticDirectories(files),
  pathInfos: new StaticPathInfos(files),
});

// What is written goes to the store that is served; what is read comes from there over HTTP.
blobServiceContract(
  "static, with a writable store behind",
  async (): Promise<{ blobs: BlobService; close(): Promise<void> }> => {
    const store = memoryStore();
    const served = await serveStore(store);
    return { blobs: new TieredBlobs([new StaticBlobs(served.files), store.blobs]), close: served.close };
  },
);
directoryServiceContract(
  "static, with a writable store behind",
  async (): Promise<{ directories: DirectoryService; close(): Promise<void> }> => {
    const store = memoryStore();
    const served = await serveStore(store);
    const directories = new TieredDirectories([new StaticDirectories(served.files), store.directories]);
    return { directories, close: served.close };
  },
);

function temporary(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "firn-static-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function patterned(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    bytes[i] = state >> 16;
  }
  return bytes;
}

const LARGE = patterned(3_000_000, 1);

/** Firn's own store with the chain of paths and one with a large file, which is cut. */
async function chunkedStore(t: TestContext): Promise<StoreServices> {
  const store = await openLocalStore(join(temporary(t), "store"));
  t.after(() => store.close());
  await chainStore(store);
  await register(store, "g", await treeNode(store, { large: LARGE, empty: {}, none: "" }), "a");
  return store;
}

function tracked(t: TestContext, served: Served): Served {
  t.after(served.close);
  return served;
}

const namesIn = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) => statSync(join(dir, name)).isFile());

async function copyAll(from: StoreServices, to: StoreServices) {
  const roots = [pathOf("d"), pathOf("g")];
  return copyPaths(roots, from, to, { registeredAt: 1 });
}

test("what is published comes back the same, from servers with ranges and without", async (t) => {
  const store = await chunkedStore(t);
  const dir = temporary(t);
  await publishStatic([pathOf("d"), pathOf("g")], store, dir);
  assert.ok(
    namesIn(dir).some((name) => name.startsWith("lists/")),
    "the large file is cut",
  );
  for (const withRanges of [true, false]) {
    const { files } = tracked(t, await serveDirectory(dir, { withRanges }));
    const to = memoryStore();
    const { copied } = await copyAll(servicesOf(files), to);
    assert.equal(copied.length, 5);
    const large = await to.blobs.openRead(digestOf(LARGE));
    assert.deepEqual(await collectBytes(large!.stream(), LARGE.length, () => new Error("too long")), LARGE);
    const listed = await Array.fromAsync(new StaticPathInfos(files).list());
    assert.deepEqual(
      listed.map(({ path }) => path.name).sort(),
      (await Array.fromAsync(store.pathInfos.list())).map(({ path }) => path.name).sort(),
    );
  }
});

test("ranges of a blob that is cut, and of one that is not, are proven and take what they need", async (t) => {
  const store = await chunkedStore(t);
  const dir = temporary(t);
  await publishStatic([pathOf("g")], store, dir);
  const cut = tracked(t, await serveDirectory(dir));
  const whole = tracked(t, await serveStore(store));
  for (const { files, asked } of [cut, whole]) {
    const reader = await new StaticBlobs(files).openRead(digestOf(LARGE));
    assert.equal(reader?.size, LARGE.length);
    const before = asked.length;
    const range = await collectBytes(reader.stream(1_000_000, 1_000_100), 100, () => new Error("too long"));
    assert.deepEqual(range, LARGE.slice(1_000_000, 1_000_100));
    assert.ok(asked.length - before <= 2, "a short range takes one request, or two where chunks meet");
  }
});

/** Cuts in halves, as stores of others may cut more coarsely. */
class CoarseBlobs extends MemoryBlobs {
  override readonly supports = { write: true, chunks: true };

  override async chunks(digest: Digest) {
    if (digest !== digestOf(LARGE)) return [];
    const halves = [LARGE.subarray(0, 1_500_000), LARGE.subarray(1_500_000)];
    return Promise.all(halves.map(async (half) => ({ digest: await this.put(half), size: half.length })));
  }
}

test("blobs that are cut come chunk by chunk, whatever the lengths of blob and chunks are", async (t) => {
  const source = await openLocalStore(join(temporary(t), "source"));
  t.after(() => source.close());
  const [first] = (await source.blobs.chunks(await source.blobs.put(LARGE))) ?? [];
  const short = LARGE.slice(0, first.size + 60_000);
  assert.equal((await source.blobs.chunks(await source.blobs.put(short)))?.length, 2);
  const coarse = { ...memoryStore(), blobs: new CoarseBlobs() };
  const cases: readonly (readonly [string, StoreServices, Uint8Array])[] = [
    ["f", source, LARGE],
    ["g", source, short],
    ["h", coarse, LARGE],
  ];
  for (const [letter, from, bytes] of cases) {
    const dir = temporary(t);
    const to = await openLocalStore(join(temporary(t), "target"));
    t.after(() => to.close());
    await register(from, letter, await treeNode(from, { bytes }));
    await publishStatic([pathOf(letter)], from, dir);
    const { files } = tracked(t, await serveDirectory(dir));
    assert.ok(await transferBlob(digestOf(bytes), new StaticBlobs(files), to.blobs));
    assert.deepEqual(await readBlob(to.blobs, digestOf(bytes), LARGE.length), bytes);
  }
});

test("publishing again writes nothing but what is new", async (t) => {
  const store = await chunkedStore(t);
  const dir = temporary(t);
  await publishStatic([pathOf("d")], store, dir);
  const again = await publishStatic([pathOf("d")], store, dir);
  assert.deepEqual({ published: again.published, files: again.files }, { published: [], files: 1 }, "the index");
  const more = await publishStatic([pathOf("g")], store, dir);
  assert.deepEqual(
    more.published.map(({ name }) => name),
    ["name-g"],
  );
  assert.ok(!namesIn(dir).some((name) => name.startsWith(".new")));
});

test("publishing that is stopped leaves a smaller store and goes on when run again", async (t) => {
  const store = await chunkedStore(t);
  const dir = temporary(t);
  const stop = new AbortController();
  const onProgress = () => stop.abort(new Error("enough"));
  await assert.rejects(
    publishStatic([pathOf("d"), pathOf("g")], store, dir, { signal: stop.signal, onProgress }),
    /enough/,
  );
  const { files } = tracked(t, await serveDirectory(dir));
  const [first] = await closureOf([pathOf("d")], store.pathInfos);
  await copyPaths([first.path], servicesOf(files), memoryStore(), { registeredAt: 1 });
  await publishStatic([pathOf("d"), pathOf("g")], store, dir);
  await copyAll(servicesOf(files), memoryStore());
});

test("a server that lies is found out, whatever it lies about", async (t) => {
  const store = await chunkedStore(t);
  const dir = temporary(t);
  await publishStatic([pathOf("d"), pathOf("g")], store, dir);
  for (const kind of ["blobs", "lists", "outboards", "directories", "trees", "paths"]) {
    const damage = (name: string, bytes: Uint8Array) => {
      if (name.startsWith(`${kind}/`)) bytes[Math.min(bytes.length - 1, 41)] ^= 1;
      return bytes;
    };
    const { files } = tracked(t, await serveDirectory(dir, { damage }));
    const to = memoryStore();
    await copyAll(servicesOf(files), to).then(
      // What is not looked at may be damaged: a copy of a tree that is new takes it as one file or by its directories.
      () => assert.ok(["outboards", "directories", "trees"].includes(kind), kind),
      (thrown) =>
        assert.match(
          thrown.code,
          /^(?:corrupt|malformed|missing|mismatch|invalid-[a-z-]+|unknown-algorithm|storage)$/,
          kind,
        ),
    );
    for await (const info of to.pathInfos.list())
      assert.deepEqual(info.node, (await store.pathInfos.get(info.path.hashPart))?.node);
  }
});

test("contents come in by PUT and POST where that is allowed, and only as what they are", async (t) => {
  const store = memoryStore();
  const { url } = tracked(t, await serveStore(store, true));
  const bytes = LARGE.slice(0, 100_000);
  const digest = digestOf(bytes);
  const put = (name: string, method: string) => fetch(`${url}/${name}`, { method, body: bytes });
  const posted = await put("blobs", "POST");
  assert.deepEqual([posted.status, (await posted.text()).trim()], [201, digest]);
  assert.equal((await put(`blobs/${digest.slice(0, 2)}/${digest}`, "PUT")).status, 201);
  const other = digestOf(new Uint8Array(1));
  assert.equal((await put(`blobs/${other.slice(0, 2)}/${other}`, "PUT")).status, 400);
  assert.equal(await store.blobs.has(other), false);
  assert.equal((await put("directories", "POST")).status, 405);
  const closed = tracked(t, await serveStore(store));
  assert.equal((await fetch(`${closed.url}/blobs`, { method: "POST", body: bytes })).status, 403);
});

test("what gateway makes is what publishing writes", async (t) => {
  const store = await chunkedStore(t);
  const dir = temporary(t);
  await publishStatic([pathOf("d"), pathOf("g")], store, dir);
  const { files } = tracked(t, await serveStore(store));
  const published = tracked(t, await serveDirectory(dir));
  for (const name of namesIn(dir)) {
    const [made, written] = await Promise.all([files.read(name, 1 << 24), published.files.read(name, 1 << 24)]);
    assert.deepEqual(made, written, name);
  }
});

test("a read that is cancelled ends with the reason of that, however far it came", async (t) => {
  const store = memoryStore();
  const digest = await store.blobs.put(LARGE);
  const { files } = tracked(t, await serveStore(store));
  const stop = new AbortController();
  const reason = new Error("enough");
  const file = await files.open(staticName("blobs", digest), undefined, stop.signal);
  await assert.rejects(
    async () => {
      for await (const _ of file!.body) stop.abort(reason);
    },
    (thrown) => thrown === reason,
  );
});

test("a server that is not there, and a place that is none, are said to be so", async () => {
  const files = new StaticFiles("http://127.0.0.1:1/firn");
  await assert.rejects(new StaticBlobs(files).has(digestOf(LARGE)), { code: "storage", retryable: true });
  await assert.rejects(new StaticPathInfos(files).get("a".repeat(32)), { code: "storage", name: "StoreError" });
  await assert.rejects(new StaticDirectories(files).get(Directory.EMPTY.digest), { code: "storage" });
  for (const place of ["ftp://example.org", "example.org", "http://user@example.org/"])
    assert.throws(() => new StaticFiles(place), { code: "composition" });
});
