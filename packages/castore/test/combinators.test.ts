/* Combinators over blobs and directories: each keeps the contracts, and does what it is for. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { collectBytes } from "@firn/base";
import {
  type BlobService,
  CachedBlobs,
  CachedDirectories,
  CastoreError,
  type ChunkMeta,
  type Digest,
  Directory,
  digestOf,
  type DirectoryService,
  InterceptedBlobs,
  InterceptedDirectories,
  type Interceptor,
  MemoryBlobs,
  MemoryDirectories,
  naming,
  readOnlyBlobs,
  readOnlyDirectories,
  retrying,
  type ServiceEvent,
  SingleFlight,
  TieredBlobs,
  TieredDirectories,
  tracing,
  VerifiedBlobs,
  VerifiedDirectories,
} from "@firn/castore";
import { blobServiceContract, directoryServiceContract } from "@firn/castore/contract";
import { Faults, faultyBlobs, faultyDirectories } from "./faulty.ts";

const close = async () => {};
const bytesOf = (length: number, salt = 1) => Uint8Array.from({ length }, (_, i) => (i * salt + (i >> 8)) & 255);
const collect = async (blobs: BlobService, digest: Digest, from?: number, to?: number) => {
  await using reader = await blobs.openRead(digest);
  assert.ok(reader);
  return await collectBytes(reader.stream(from, to), 1 << 26, () => new Error("too long"));
};
const quick = { delayMs: 0.1 };
const ignore = { instance: "x", now: () => 0, sink: () => undefined };

const interceptors: [string, Interceptor][] = [
  ["a trace", tracing(ignore)],
  ["a retry", retrying(quick)],
  ["a name", naming("blobs 'x'")],
];
for (const [name, interceptor] of interceptors) {
  blobServiceContract(`${name} over memory`, async () => ({
    blobs: new InterceptedBlobs(new MemoryBlobs(), interceptor),
    close,
  }));
  directoryServiceContract(`${name} over memory`, async () => ({
    directories: new InterceptedDirectories(new MemoryDirectories(), interceptor),
    close,
  }));
}
blobServiceContract("a verification", async () => ({ blobs: new VerifiedBlobs(new MemoryBlobs()), close }));
directoryServiceContract("a verification", async () => ({
  directories: new VerifiedDirectories(new MemoryDirectories()),
  close,
}));
blobServiceContract("a cache", async () => ({ blobs: new CachedBlobs(new MemoryBlobs(), new MemoryBlobs()), close }));
directoryServiceContract("a cache", async () => ({
  directories: new CachedDirectories(new MemoryDirectories(), new MemoryDirectories()),
  close,
}));
blobServiceContract("tiers", async () => {
  const sources = [readOnlyBlobs(new MemoryBlobs()), new MemoryBlobs(), new MemoryBlobs()];
  return { blobs: new TieredBlobs(sources), close };
});
directoryServiceContract("tiers", async () => {
  const sources = [readOnlyDirectories(new MemoryDirectories()), new MemoryDirectories()];
  return { directories: new TieredDirectories(sources), close };
});
blobServiceContract("memory that forgets", async () => ({
  blobs: new MemoryBlobs(undefined, 1 << 24, { forgets: true }),
  close,
}));
directoryServiceContract("memory that forgets", async () => ({
  directories: new MemoryDirectories(undefined, 1 << 20),
  close,
}));

const leaf = new Directory([{ name: "x", node: { kind: "symlink", target: "y" } }]);
const middle = new Directory([{ name: "leaf", node: leaf.node }]);
const root = new Directory([
  { name: "a", node: middle.node },
  { name: "b", node: leaf.node },
  { name: "c", node: Directory.EMPTY.node },
]);
async function withTree(directories: DirectoryService = new MemoryDirectories()): Promise<DirectoryService> {
  for (const directory of [leaf, Directory.EMPTY, middle, root]) await directories.put(directory);
  return directories;
}

describe("a cache of blobs", () => {
  test("asks the far side once for all who read at the same time, and not again", async () => {
    const far = new MemoryBlobs();
    const digest = await far.put(bytesOf(100_000));
    const faults = new Faults();
    const near = new MemoryBlobs();
    const cache = new CachedBlobs(near, faultyBlobs(far, faults));
    const all = await Promise.all(Array.from({ length: 5 }, () => collect(cache, digest)));
    for (const bytes of all) assert.deepEqual(bytes, bytesOf(100_000));
    assert.deepEqual(faults.asked, [`openRead ${digest}`, "stream"]);
    assert.equal(await near.has(digest), true);
    await collect(cache, digest);
    assert.equal(faults.asked.length, 2);
  });

  test("takes over only chunks that are not near", async () => {
    const parts = [bytesOf(5000, 3), bytesOf(6000, 5), bytesOf(7000, 7)];
    const whole = new Uint8Array(Buffer.concat(parts));
    const inner = new MemoryBlobs();
    const digest = await inner.put(whole);
    const list: ChunkMeta[] = [];
    for (const part of parts) list.push({ digest: await inner.put(part), size: part.length });
    const faults = new Faults();
    const far = chunked(faultyBlobs(inner, faults), digest, list);
    const near = new MemoryBlobs();
    await near.put(parts[1]);
    const cache = new CachedBlobs(chunked(near, digest, undefined), far);
    assert.deepEqual(await collect(cache, digest), whole);
    const read = faults.asked.filter((one) => one.startsWith("openRead"));
    assert.deepEqual(read, [`openRead ${list[0].digest}`, `openRead ${list[2].digest}`]);
  });

  test("keeps nothing whose digest is another, whole or in chunks", async () => {
    const wanted = digestOf(bytesOf(9000));
    const parts = [bytesOf(4000, 3), bytesOf(5000, 5)];
    const inner = new MemoryBlobs();
    const list: ChunkMeta[] = [];
    for (const part of parts) list.push({ digest: await inner.put(part), size: part.length });
    const lying: BlobService = Object.create(inner, {
      openRead: { value: (digest: Digest) => inner.openRead(digest === wanted ? list[0].digest : digest) },
    });
    for (const far of [lying, chunked(lying, wanted, list), chunked(lying, wanted, [{ ...list[1], digest: wanted }])]) {
      const near = new MemoryBlobs();
      const cache = new CachedBlobs(chunked(near, wanted, undefined), far);
      await assert.rejects(cache.openRead(wanted), { code: "corrupt" });
      assert.equal(await near.has(wanted), false);
      assert.equal(await near.has(digestOf(new Uint8Array(Buffer.concat(parts)))), false);
    }
  });

  test("answers also when its near side cannot hold the blob", async () => {
    const far = new MemoryBlobs();
    const digest = await far.put(bytesOf(5000));
    const cache = new CachedBlobs(new MemoryBlobs(undefined, 4000, { forgets: true }), far);
    // The near writer refuses what is longer than all it may hold.
    await assert.rejects(cache.openRead(digest), { code: "limit" });
    const small = await far.put(bytesOf(3000));
    const other = await far.put(bytesOf(3000, 3));
    for (const one of [small, other, small]) assert.equal((await collect(cache, one)).length, 3000);
  });

  test("a reader that leaves does not end the fill for the others, the last one does", async () => {
    const flights = new SingleFlight<string, number>();
    const first = new AbortController();
    const second = new AbortController();
    const ended: unknown[] = [];
    const work = (signal: AbortSignal) =>
      new Promise<number>((_, reject) => {
        signal.addEventListener("abort", () => {
          ended.push(signal.reason);
          reject(signal.reason);
        });
      });
    const one = flights.run("k", work, first.signal);
    const two = flights.run("k", work, second.signal);
    first.abort(new Error("first"));
    await assert.rejects(one, { message: "first" });
    assert.equal(ended.length, 0);
    second.abort(new Error("second"));
    await assert.rejects(two, { message: "second" });
    assert.equal(String(ended[0]), "Error: second");
    assert.equal(await flights.run("k", async () => 7), 7);
  });
});

/** A service that says it knows chunks, and these of one blob. */
function chunked(inner: BlobService, digest: Digest, list: readonly ChunkMeta[] | undefined): BlobService {
  return Object.create(inner, {
    supports: { value: { write: true, chunks: true } },
    chunks: { value: async (asked: Digest) => (asked === digest ? list : inner.chunks(asked)) },
    has: { value: (asked: Digest) => inner.has(asked) },
    openRead: { value: (asked: Digest) => inner.openRead(asked) },
    openWrite: { value: () => inner.openWrite() },
  });
}

describe("a cache of directories", () => {
  test("brings a tree near as one, and only what is not there", async () => {
    const far = await withTree();
    const faults = new Faults();
    const near = new MemoryDirectories();
    const cache = new CachedDirectories(near, faultyDirectories(far, faults));
    assert.equal((await cache.get(root.digest))?.digest, root.digest);
    assert.equal(await near.has(leaf.digest), true);
    assert.deepEqual(faults.asked, [`get ${root.digest}`, `getRecursive ${root.digest}`]);

    const faultsAgain = new Faults();
    const partly = new MemoryDirectories();
    await partly.put(leaf);
    const other = new CachedDirectories(partly, faultyDirectories(far, faultsAgain));
    await Promise.all([other.get(root.digest), other.get(root.digest)]);
    assert.deepEqual(
      faultsAgain.asked.sort(),
      [root, middle, Directory.EMPTY].map(({ digest }) => `get ${digest}`).sort(),
    );
  });

  test("yields trees of the far side, and puts on top of them", async () => {
    const cache = new CachedDirectories(new MemoryDirectories(), await withTree());
    assert.equal((await Array.fromAsync(cache.getRecursive(root.digest))).length, 4);
    const above = new Directory([{ name: "root", node: root.node }]);
    const fresh = new CachedDirectories(new MemoryDirectories(), await withTree());
    assert.equal(await fresh.put(above), above.digest);
    assert.equal((await Array.fromAsync(fresh.getRecursive(above.digest))).length, 5);
  });

  test("a near side that forgets costs answers nothing", async () => {
    const cache = new CachedDirectories(new MemoryDirectories(undefined, 700), await withTree());
    for (let i = 0; i < 3; i++) assert.equal((await Array.fromAsync(cache.getRecursive(root.digest))).length, 4);
  });
});

describe("tiers", () => {
  test("the first that has it answers; one that fails is passed over and blamed only when nobody has it", async () => {
    const has = new MemoryBlobs();
    const digest = await has.put(bytesOf(3000));
    const faults = new Faults();
    faults.failing.set("openRead", 9).set("has", 9).set("chunks", 9);
    const tiers = new TieredBlobs([faultyBlobs(new MemoryBlobs(), faults), new MemoryBlobs(), has]);
    assert.deepEqual(await collect(tiers, digest), bytesOf(3000));
    assert.equal(await tiers.has(digest), true);
    assert.deepEqual(await tiers.chunks(digest), []);
    await assert.rejects(tiers.openRead(digestOf(bytesOf(1))), { code: "storage" });
  });

  test("a stream that breaks goes on in the next source where it was", async () => {
    const first = new MemoryBlobs();
    const second = new MemoryBlobs();
    const digest = await first.put(bytesOf(30_000));
    await second.put(bytesOf(30_000));
    const faults = new Faults();
    faults.breaks.push(5000);
    const tiers = new TieredBlobs([faultyBlobs(first, faults), new MemoryBlobs(), second]);
    assert.deepEqual(await collect(tiers, digest, 100, 20_000), bytesOf(30_000).subarray(100, 20_000));
    faults.breaks.push(5000);
    await assert.rejects(collect(new TieredBlobs([faultyBlobs(first, faults), new MemoryBlobs()]), digest), {
      code: "storage",
    });
  });

  test("a tree that breaks, or lies in pieces in several sources, comes whole", async () => {
    const faults = new Faults();
    faults.breaks.push(2);
    const tiers = new TieredDirectories([faultyDirectories(await withTree(), faults), await withTree()]);
    assert.equal((await Array.fromAsync(tiers.getRecursive(root.digest))).length, 4);
    assert.deepEqual(await Array.fromAsync(tiers.getRecursive(digestOf(bytesOf(1)))), []);
  });

  test("none that can be written refuses writes", async () => {
    const blobs = new TieredBlobs([readOnlyBlobs(new MemoryBlobs())]);
    assert.equal(blobs.supports.write, false);
    await assert.rejects(blobs.put(bytesOf(1)), { code: "unsupported" });
    const directories = new TieredDirectories([readOnlyDirectories(new MemoryDirectories())]);
    assert.throws(() => directories.openPut(), { code: "unsupported" });
  });
});

describe("a retry", () => {
  test("makes calls again as often as it may, and only for what may pass", async () => {
    const inner = new MemoryBlobs();
    const digest = await inner.put(bytesOf(10));
    const faults = new Faults();
    const blobs = new InterceptedBlobs(faultyBlobs(inner, faults), retrying({ ...quick, attemptsMax: 3 }));
    faults.failing.set("has", 2);
    assert.equal(await blobs.has(digest), true);
    faults.failing.set("has", 3);
    await assert.rejects(blobs.has(digest), { code: "storage" });
    faults.error = () => new CastoreError("corrupt", "damaged");
    faults.failing.set("put", 1);
    await assert.rejects(blobs.put(bytesOf(1)), { code: "corrupt" });
    assert.equal(faults.asked.filter((one) => one === "put").length, 1);
  });

  test("goes on with a stream where it broke", async () => {
    const inner = new MemoryBlobs();
    const digest = await inner.put(bytesOf(50_000));
    const faults = new Faults();
    faults.breaks.push(3000, 0, 7000, 1000);
    const blobs = new InterceptedBlobs(faultyBlobs(inner, faults), retrying({ ...quick, attemptsMax: 3 }));
    assert.deepEqual(await collect(blobs, digest), bytesOf(50_000));
    faults.breaks.push(1);
    const directories = new InterceptedDirectories(faultyDirectories(await withTree(), faults), retrying(quick));
    assert.equal((await Array.fromAsync(directories.getRecursive(root.digest))).length, 4);
  });

  test("ends its pause when it is aborted", async () => {
    const faults = new Faults();
    faults.failing.set("has", 99);
    const stop = new AbortController();
    const blobs = new InterceptedBlobs(
      faultyBlobs(new MemoryBlobs(), faults),
      retrying({ delayMs: 1e6, delayMsMax: 1e6 }),
    );
    const waiting = blobs.has(digestOf(bytesOf(1)), { signal: stop.signal });
    setImmediate(() => stop.abort(new Error("enough")));
    await assert.rejects(waiting, { message: "enough" });
  });
});

describe("a verification", () => {
  test("lets no byte of another blob out", async () => {
    for (const size of [10, 300_000, 600_000]) {
      const inner = new MemoryBlobs();
      const other = await inner.put(bytesOf(size, 3));
      const lying: BlobService = Object.create(inner, { openRead: { value: () => inner.openRead(other) } });
      await assert.rejects(new VerifiedBlobs(lying).openRead(digestOf(bytesOf(size))), { code: "corrupt" });
    }
  });

  test("finds a source that changes between the readings", async () => {
    const good = bytesOf(600_000);
    const bad = bytesOf(600_000);
    bad[500_000] ^= 1;
    let current = good;
    const digest = digestOf(good);
    const changing: BlobService = Object.create(new MemoryBlobs(), {
      openRead: {
        value: async () => ({
          size: good.length,
          stream: async function* (from = 0, to = good.length) {
            yield current.slice(from, to);
          },
          close,
        }),
      },
    });
    await using reader = await new VerifiedBlobs(changing).openRead(digest);
    assert.ok(reader);
    current = bad;
    const read = (from: number, to: number) =>
      collectBytes(reader.stream(from, to), 1 << 20, () => new Error("too long"));
    assert.deepEqual(await read(10, 20), good.subarray(10, 20));
    await assert.rejects(read(499_000, 499_010), { code: "corrupt" });
  });

  test("refuses directories of another digest and trees that are not the one asked for", async () => {
    const inner = await withTree();
    const lying: DirectoryService = Object.create(inner, {
      get: { value: () => inner.get(leaf.digest) },
      getRecursive: { value: () => inner.getRecursive(middle.digest) },
    });
    const verified = new VerifiedDirectories(lying);
    await assert.rejects(verified.get(root.digest), { code: "corrupt" });
    await assert.rejects(Array.fromAsync(verified.getRecursive(root.digest)), { code: "invalid-graph" });
  });
});

test("what is read-only reads and does not write", async () => {
  const inner = new MemoryBlobs();
  const digest = await inner.put(bytesOf(10));
  const blobs = readOnlyBlobs(inner);
  assert.deepEqual(blobs.supports, { write: false, chunks: false });
  assert.deepEqual(await collect(blobs, digest), bytesOf(10));
  assert.equal(await blobs.has(digest), true);
  assert.deepEqual(await blobs.chunks(digest), []);
  await assert.rejects(blobs.put(bytesOf(1)), { code: "unsupported" });
  assert.throws(() => blobs.openWrite(), { code: "unsupported" });
  const directories = readOnlyDirectories(await withTree());
  assert.equal((await directories.get(leaf.digest))?.digest, leaf.digest);
  assert.equal((await Array.fromAsync(directories.getRecursive(root.digest))).length, 4);
  await assert.rejects(directories.put(leaf), { code: "unsupported" });
  assert.throws(() => directories.openPut(), { code: "unsupported" });
});

test("a trace says what was called, about what, how much came and how it ended", async () => {
  const events: ServiceEvent[] = [];
  let now = 0;
  const tracer = tracing({ instance: "far", sink: (event) => events.push(event), now: () => now++ });
  const faults = new Faults();
  const inner = new MemoryBlobs();
  const blobs = new InterceptedBlobs(faultyBlobs(inner, faults), tracer);
  const digest = await blobs.put(bytesOf(5000));
  await collect(blobs, digest, 0, 3000);
  await blobs.has(digestOf(bytesOf(1)));
  faults.failing.set("chunks", 1);
  await blobs.chunks(digest).catch(() => undefined);
  const reader = await blobs.openRead(digest);
  for await (const _ of reader?.stream() ?? []) break;
  const said = events.map(({ operation, subject, bytes, outcome }) => [operation, subject === digest, bytes, outcome]);
  assert.deepEqual(said, [
    ["put", false, undefined, "done"],
    ["openRead", true, undefined, "done"],
    ["read", true, 3000, "done"],
    ["has", false, undefined, "absent"],
    ["chunks", true, undefined, "storage"],
    ["openRead", true, undefined, "done"],
    ["read", true, 1000, "aborted"],
  ]);
  assert.ok(events.every(({ instance, ms }) => instance === "far" && ms > 0));
});

test("a named service's errors carry the name of the innermost instance and keep code and cause", async () => {
  const faults = new Faults();
  faults.failing.set("has", 1);
  const inner = new InterceptedBlobs(faultyBlobs(new MemoryBlobs(), faults), naming("blobs 'disk'"));
  const outer = new InterceptedBlobs(inner, naming("blobs 'root'"));
  await assert.rejects(outer.has(digestOf(bytesOf(1))), (thrown: CastoreError) => {
    assert.ok(thrown instanceof CastoreError);
    assert.equal(thrown.message, "blobs 'disk': the connection was lost");
    assert.deepEqual([thrown.code, thrown.retryable, thrown.context.instance], ["storage", true, "blobs 'disk'"]);
    return true;
  });
});

test("what is written through a cache whose near side forgets is kept far", async () => {
  const near = new MemoryBlobs(undefined, 1 << 20, { forgets: true });
  const far = new MemoryBlobs();
  const blobs = new CachedBlobs(near, far);
  assert.equal(await far.has(await blobs.put(bytesOf(300))), true);
  await using writer = blobs.openWrite();
  await writer.write(bytesOf(500));
  assert.equal(await far.has(await writer.close()), true);
  const farDirectories = new MemoryDirectories();
  const directories = new CachedDirectories(new MemoryDirectories(undefined, 1 << 20), farDirectories);
  assert.equal(await farDirectories.has(await directories.put(Directory.EMPTY)), true);
});
