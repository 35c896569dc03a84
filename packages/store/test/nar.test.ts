/* NARs rendered from castore nodes and taken in again: the published vectors, promises kept and broken, damage. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { collectBytes, streamOf } from "@firn/base";
import {
  type CastoreServices,
  Directory,
  EMPTY_DIGEST,
  MemoryBlobs,
  MemoryDirectories,
  type Node,
  TreeBuilder,
} from "@firn/castore";
import { toHex } from "@firn/hash";
import { calculateNar, ingestNar, renderNar } from "@firn/store";

const memory = (): CastoreServices => ({ blobs: new MemoryBlobs(), directories: new MemoryDirectories() });
const whole = (node: Node, services: CastoreServices) =>
  collectBytes(renderNar(node, services), 1 << 28, () => new Error("longer than any NAR here"));
const symlink: Node = { kind: "symlink", target: "/nix/store/somewhereelse" };
const emptyFile: Node = { kind: "file", digest: EMPTY_DIGEST, size: 0, executable: false };

async function complicated(services: CastoreServices): Promise<Node> {
  await services.blobs.put(new Uint8Array());
  const builder = new TreeBuilder(services.directories);
  builder.enter("");
  builder.add(".keep", emptyFile);
  builder.add("aa", symlink);
  builder.enter("keep");
  builder.add(".keep", emptyFile);
  await builder.leave();
  await builder.leave();
  return builder.close();
}

async function mixed(services: CastoreServices): Promise<Node> {
  const builder = new TreeBuilder(services.directories);
  builder.enter("");
  for (const size of [1, 7, 8, 9, 4095, 65_536, 65_537, 400_001]) {
    const digest = await services.blobs.put(new Uint8Array(size).fill(size & 255));
    builder.add(`file ${size}`, { kind: "file", digest, size, executable: size % 2 === 0 });
  }
  for (let i = 0; i < 700; i++) {
    const digest = await services.blobs.put(new Uint8Array(i + 1).fill(i & 255));
    builder.enter(`d${i}`);
    builder.add("\xff", { kind: "file", digest, size: i + 1, executable: false });
    await builder.leave();
  }
  builder.enter("empty");
  await builder.leave();
  await builder.leave();
  return builder.close();
}

describe("NARs have the published hashes and sizes", () => {
  test("a symlink", async () => {
    const { narSha256, narSize } = await calculateNar(symlink, memory());
    assert.equal(narSize, 136);
    assert.equal(toHex(narSha256), "097d397e9b5826384eaa16c457715d1c1a51670313ead0f58566e0b232539cf1");
  });
  test("a file", async () => {
    const services = memory();
    const digest = await services.blobs.put(new TextEncoder().encode("Hello World!"));
    const { narSha256, narSize } = await calculateNar({ kind: "file", digest, size: 12, executable: false }, services);
    assert.equal(narSize, 128);
    assert.equal(toHex(narSha256), "03e7f63be30b065d78bcf615f5473545fdb4eb69aa416f43495b4e05cdfb8040");
  });
  test("a directory", async () => {
    const services = memory();
    const { narSha256, narSize } = await calculateNar(await complicated(services), services);
    assert.equal(narSize, 840);
    assert.equal(toHex(narSha256), "ebd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a");
  });
});

describe("a NAR that is taken in", () => {
  test("gives the same node, hash and size in another store, in chunks of any size", async () => {
    const from = memory();
    const node = await mixed(from);
    const nar = await whole(node, from);
    const expected = { node, ...(await calculateNar(node, from)) };
    assert.equal(expected.narSize, nar.length);
    for (const chunkSize of [1000, 65_536, nar.length]) {
      const to = memory();
      const chunks = async function* () {
        for (let at = 0; at < nar.length; at += chunkSize) yield nar.subarray(at, at + chunkSize);
      };
      assert.deepEqual(await ingestNar(chunks(), to, { narSha256: expected.narSha256, narSize: nar.length }), expected);
      assert.deepEqual(await calculateNar(node, to), { narSha256: expected.narSha256, narSize: expected.narSize });
    }
  });

  test("is refused when hash or size are not what was promised, and its root is not stored", async () => {
    const from = memory();
    const node = await complicated(from);
    const nar = await whole(node, from);
    assert.ok(node.kind === "directory");
    const to = memory();
    await assert.rejects(ingestNar(streamOf(nar), to, { narSha256: new Uint8Array(32) }), { code: "mismatch" });
    await assert.rejects(ingestNar(streamOf(nar), to, { narSize: nar.length - 1 }), { code: "mismatch" });
    await assert.rejects(ingestNar(streamOf(nar), to, { narSize: nar.length + 1 }), { code: "mismatch" });
    await assert.rejects(ingestNar(streamOf(nar), to, { narBytesMax: 100 }), { code: "limit" });
    assert.equal(await to.directories.has(node.digest), false);
  });

  test("is malformed when cut, extended or damaged", async () => {
    const from = memory();
    const nar = await whole(await complicated(from), from);
    const longer = new Uint8Array(nar.length + 8);
    longer.set(nar);
    const damaged = nar.slice();
    damaged[8] ^= 1;
    for (const bad of [nar.subarray(0, 100), longer, damaged, new Uint8Array()]) {
      await assert.rejects(ingestNar(streamOf(bad), memory()), { code: "malformed" });
    }
  });

  test("reports a store that fails while it takes files", async () => {
    const from = memory();
    const node = await mixed(from);
    const full: CastoreServices = { blobs: new MemoryBlobs(undefined, 5000), directories: new MemoryDirectories() };
    await assert.rejects(ingestNar(renderNar(node, from), full), { code: "limit" });
  });
});

describe("a NAR that cannot be rendered", () => {
  test("names what is missing", async () => {
    const services = memory();
    const keep = new Directory([{ name: "x", node: { ...emptyFile, size: 5 } }]);
    await assert.rejects(whole(keep.node, services), { code: "missing" });
    await services.directories.put(keep);
    await assert.rejects(whole(keep.node, services), { code: "missing" });
    await services.blobs.put(new Uint8Array());
    await assert.rejects(whole(keep.node, services), { code: "mismatch" });
  });
  test("ends when it is aborted", async () => {
    const services = memory();
    const node = await mixed(services);
    const stop = new AbortController();
    const consume = async () => {
      for await (const _ of renderNar(node, services, { signal: stop.signal })) stop.abort(new Error("enough"));
    };
    await assert.rejects(consume(), { message: "enough" });
  });
});
