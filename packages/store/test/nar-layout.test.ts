/* The NAR that one can seek in: every range is the slice of the whole, lengths are known before contents, and what is outside a range is not read. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { collectBytes } from "@firn/base";
import {
  type BlobService,
  type CastoreServices,
  Directory,
  type DirectoryEntry,
  EMPTY_DIGEST,
  MemoryBlobs,
  MemoryDirectories,
  type Node,
  TreeBuilder,
} from "@firn/castore";
import { narLayout, renderNar } from "@firn/store";
import fc from "fast-check";

const memory = (): CastoreServices => ({ blobs: new MemoryBlobs(), directories: new MemoryDirectories() });
const collect = (stream: AsyncIterable<Uint8Array>) => collectBytes(stream, 1 << 28, () => new Error("too long"));

async function anyTree(services: CastoreServices): Promise<Node> {
  const builder = new TreeBuilder(services.directories);
  builder.enter("");
  builder.add("link", { kind: "symlink", target: "../elsewhere" });
  for (const [name, size] of [
    ["0", 0],
    ["7", 7],
    ["8", 8],
    ["65536", 65_536],
    ["65537", 65_537],
    ["big", 700_001],
  ] as const) {
    const digest = await services.blobs.put(new Uint8Array(size).fill(size & 255));
    builder.add(`f ${name}`, { kind: "file", digest, size, executable: size === 8 });
    builder.enter(`d ${name}`);
    builder.add("again", { kind: "file", digest, size, executable: false });
    builder.enter("empty");
    await builder.leave();
    await builder.leave();
  }
  await builder.leave();
  return builder.close();
}

test("every range of the layout is that slice of the NAR", async () => {
  const services = memory();
  const node = await anyTree(services);
  const nar = await collect(renderNar(node, services));
  const layout = await narLayout(node, services);
  assert.equal(layout.size, nar.length);
  assert.deepEqual(await collect(layout.stream(services)), nar);
  assert.deepEqual(await collect(layout.stream(services, nar.length - 3, nar.length + 99)), nar.subarray(-3));
  await fc.assert(
    fc.asyncProperty(fc.nat(nar.length), fc.oneof(fc.nat(300), fc.nat(nar.length)), async (from, length) => {
      assert.deepEqual(await collect(layout.stream(services, from, from + length)), nar.slice(from, from + length));
    }),
    { numRuns: 60 },
  );
});

test("roots that are no directories have layouts too", async () => {
  const services = memory();
  const digest = await services.blobs.put(new Uint8Array(100).fill(1));
  for (const node of [
    { kind: "symlink", target: "x" },
    { kind: "file", digest, size: 100, executable: true },
  ] as const) {
    const nar = await collect(renderNar(node, services));
    const layout = await narLayout(node, services);
    assert.equal(layout.size, nar.length);
    for (let from = 0; from < nar.length; from += 13)
      assert.deepEqual(await collect(layout.stream(services, from, from + 20)), nar.slice(from, from + 20));
  }
});

describe("only what a range needs is read", () => {
  test("blobs and directories outside of it are not asked for", async () => {
    const services = memory();
    const node = await anyTree(services);
    const layout = await narLayout(node, services);
    const asked: string[] = [];
    const blobs: BlobService = Object.create(services.blobs, {
      openRead: {
        value: (digest: never) => {
          asked.push(digest);
          return services.blobs.openRead(digest);
        },
      },
    });
    const directories = Object.create(services.directories, {
      get: {
        value: (digest: never) => {
          asked.push(digest);
          return services.directories.get(digest);
        },
      },
    });
    await collect(layout.stream({ blobs, directories }, layout.size - 20));
    assert.equal(asked.length, 1, "the root directory alone");
  });

  test("a length is computed without contents, a tree as wide as 2^62 bytes without walking it", async () => {
    const services = memory();
    let node: Node = { kind: "file", digest: EMPTY_DIGEST, size: 2 ** 40, executable: false };
    for (let level = 0; level < 8; level++) {
      const directory: Directory = new Directory([
        { name: "a", node },
        { name: "b", node },
      ]);
      await services.directories.put(directory);
      node = directory.node;
    }
    assert.ok((await narLayout(node, services)).size > 2 ** 48);
    const directory = new Directory([
      { name: "a", node: node },
      ...Array.from({ length: 64 }, (_, i): DirectoryEntry => ({ name: `b${i}`, node })),
    ]);
    await services.directories.put(directory);
    await assert.rejects(narLayout(directory.node, services), { code: "limit" });
  });
});

test("what is missing or too deep is said before a byte goes out", async () => {
  const services = memory();
  await assert.rejects(narLayout(new Directory([{ name: "x", node: Directory.EMPTY.node }]).node, services), {
    code: "missing",
  });
  let node: Node = Directory.EMPTY.node;
  await services.directories.put(Directory.EMPTY);
  for (let depth = 1; depth <= 64; depth++) {
    const directory: Directory = new Directory([{ name: "d", node }]);
    await services.directories.put(directory);
    node = directory.node;
  }
  await assert.rejects(narLayout(node, services), { code: "limit" });
  await assert.rejects(collect(renderNar(node, services)), { code: "limit" });
});

test("a consumer that stops early leaves no reader open", async () => {
  const services = memory();
  const node = await anyTree(services);
  let open = 0;
  const blobs: BlobService = Object.create(services.blobs, {
    openRead: {
      value: async (digest: never) => {
        const reader = await services.blobs.openRead(digest);
        if (reader === undefined) return undefined;
        open++;
        const close = reader.close.bind(reader);
        let closed = false;
        const end = async () => {
          if (!closed) open--;
          closed = true;
          await close();
        };
        return { size: reader.size, stream: reader.stream.bind(reader), close: end, [Symbol.asyncDispose]: end };
      },
    },
  });
  for await (const _ of renderNar(node, { ...services, blobs })) break;
  assert.equal(open, 0);
  await collect(renderNar(node, { ...services, blobs }));
  assert.equal(open, 0);
});
