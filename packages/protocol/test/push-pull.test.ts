/* Copies from and to a server that have most already: what moves, in how many round trips, and what is refused. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openLocalStore } from "@firn/backend-local";
import { digestOf } from "@firn/castore";
import { Peer, pullPaths, pushPaths, storeServices } from "@firn/protocol";
import { GrpcChannel, GrpcServer, openHttpServer } from "@firn/protocol/node";
import { closureOf, copyPaths, RenderingCalculator, type StoreServices } from "@firn/store";
import { type Files, memoryStore, pathOf, register, treeNode } from "../../store/test/small-store.ts";

const OPTIONS = { registeredAt: 1 };

async function localStore(t: TestContext): Promise<StoreServices> {
  const dir = mkdtempSync(join(tmpdir(), "firn-bulk-"));
  const store = await openLocalStore(join(dir, "store"));
  t.after(async () => {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return store;
}

/** A server of this store, a peer that speaks to it, and what went over the wire. */
async function serve(t: TestContext, store: StoreServices) {
  const calls: string[] = [];
  const wire = { bytes: 0 };
  const calculator = new RenderingCalculator(store);
  const handlers = storeServices({ ...store, calculator }, { now: () => 1, stopping: new AbortController().signal });
  const server = await openHttpServer({
    listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
    grpc: new GrpcServer(handlers, { onCall: (path) => calls.push(path.slice(path.lastIndexOf("/") + 1)) }),
    onRequest: (_, response) => void response.end(),
  });
  const proxy = createServer((near) => {
    const far = connect(server.port as number, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (bytes) => {
        wire.bytes += bytes.length;
      });
      from.on("error", () => to.destroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const port = (proxy.address() as AddressInfo).port;
  const peer = new Peer(new GrpcChannel({ kind: "tcp", host: "127.0.0.1", port, isSecure: false }));
  t.after(async () => {
    await peer[Symbol.asyncDispose]();
    await server.close();
    proxy.close();
  });
  return { peer, calls, wire };
}

function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Ten paths with 25 MB of files. The second version has about 95 % of the first one's chunks: other bytes at one place of some files, and other small files. */
async function fill(
  store: StoreServices,
  version: number,
): Promise<{ readonly roots: ReturnType<typeof pathOf>[]; readonly bytes: number }> {
  const letters = [..."abcdfghijk"];
  let total = 0;
  for (const [i, letter] of letters.entries()) {
    const large = noise(2_500_000, i + 1);
    if (version === 2 && i % 3 === 0) large.set(noise(1000, 1000 + i), 1_234_567);
    const files: Files = { lib: { large, same: `file ${i}` }, version: `${version} of ${letter}` };
    total += large.length;
    await register(store, letter, await treeNode(store, files), i === 0 ? "" : letters[i - 1]);
  }
  return { roots: [pathOf("k")], bytes: total };
}

const DATA_CALLS = new Set(["Put", "PutBlobs", "Get", "ReadBlobs", "Closure"]);
const beyondData = (calls: readonly string[]) => calls.filter((call) => !DATA_CALLS.has(call));

/** Contents of the first version, under no paths. */
async function fillContents(store: StoreServices): Promise<void> {
  const other = memoryStore();
  await fill(other, 1);
  for await (const { node } of other.pathInfos.list()) {
    assert.ok(node.kind === "directory");
    for await (const directory of other.directories.getRecursive(node.digest)) {
      for (const { node: child } of directory.entries) {
        if (child.kind !== "file") continue;
        const reader = await other.blobs.openRead(child.digest);
        const writer = store.blobs.openWrite();
        for await (const bytes of reader!.stream()) await writer.write(bytes);
        await writer.close();
      }
    }
  }
}

test("a closure of which the server has most chunks goes there in few bytes and round trips", async (t) => {
  const [from, to] = [await localStore(t), await localStore(t)];
  const { roots, bytes } = await fill(from, 2);
  await fillContents(to);
  const { peer, calls, wire } = await serve(t, to);
  const result = await pushPaths(roots, from, peer, OPTIONS);
  assert.equal(result.copied.length, 10);
  assert.ok(wire.bytes <= bytes * 0.08, `${wire.bytes} of ${bytes} bytes moved`);
  t.diagnostic(
    `${((100 * wire.bytes) / bytes).toFixed(1)} % of the bytes; beyond the data: ${beyondData(calls).join(", ")}`,
  );
  assert.ok(result.bytesSpared >= bytes * 0.3);
  assert.ok(beyondData(calls).length <= 20, beyondData(calls).join(" "));
  assert.equal((await closureOf(roots, to.pathInfos)).length, 10);
  const again = await pushPaths(roots, from, peer, OPTIONS);
  assert.deepEqual(again.copied, []);
});

test("a closure of which the target has most chunks comes in few bytes and round trips", async (t) => {
  const [from, to] = [await localStore(t), await localStore(t)];
  const { roots, bytes } = await fill(from, 2);
  await fillContents(to);
  const { peer, calls, wire } = await serve(t, from);
  const result = await pullPaths(roots, peer, to, OPTIONS);
  assert.equal(result.copied.length, 10);
  assert.ok(wire.bytes <= bytes * 0.08, `${wire.bytes} of ${bytes} bytes moved`);
  assert.ok(beyondData(calls).length <= 20, beyondData(calls).join(" "));
  t.diagnostic(
    `${((100 * wire.bytes) / bytes).toFixed(1)} % of the bytes; beyond the data: ${beyondData(calls).join(", ")}`,
  );
  const [one, other] = await Promise.all([from, to].map(async ({ pathInfos }) => pathInfos.get(pathOf("k").hashPart)));
  assert.deepEqual(one?.node, other?.node);
  assert.deepEqual((await pullPaths(roots, peer, to, OPTIONS)).copied, []);
});

test("stores that cut nothing copy both ways, too", async (t) => {
  const [from, to] = [memoryStore(), memoryStore()];
  const { roots } = await fill(from, 1);
  const pushed = await serve(t, to);
  await pushPaths(roots, from, pushed.peer, OPTIONS);
  const back = memoryStore();
  await pullPaths(roots, pushed.peer, back, OPTIONS);
  assert.equal((await closureOf(roots, back.pathInfos)).length, 10);
});

test("a path that is not there is missing on either way", async (t) => {
  const { peer } = await serve(t, memoryStore());
  await assert.rejects(pullPaths([pathOf("a")], peer, memoryStore(), OPTIONS), { code: "missing" });
  await assert.rejects(pushPaths([pathOf("a")], memoryStore(), peer, OPTIONS), { code: "missing" });
});

test("a server whose contents are not what it says is found out, and nothing is registered", async (t) => {
  const from = memoryStore();
  await fill(from, 1);
  const lying: StoreServices = {
    ...from,
    blobs: Object.create(from.blobs, {
      openRead: {
        value: async (digest: Parameters<typeof from.blobs.openRead>[0]) => {
          const reader = await from.blobs.openRead(digest);
          return (
            reader && {
              size: reader.size,
              stream: () => each(noise(reader.size, 99)),
              close: () => reader.close(),
              [Symbol.asyncDispose]: () => reader.close(),
            }
          );
        },
      },
      chunks: { value: async () => [] },
      supports: { value: from.blobs.supports },
    }),
  };
  const { peer } = await serve(t, lying);
  const to = memoryStore();
  await assert.rejects(pullPaths([pathOf("a")], peer, to, OPTIONS), { code: "corrupt" });
  assert.deepEqual(await Array.fromAsync(to.pathInfos.list()), []);
  assert.equal(await to.blobs.has(digestOf(noise(2_500_000, 99))), false);
});

async function* each(bytes: Uint8Array) {
  yield bytes;
}

test("a copy that is told to stop stops with the reason", async (t) => {
  const [from, to] = [memoryStore(), memoryStore()];
  const { roots } = await fill(from, 1);
  const { peer } = await serve(t, from);
  const stop = new AbortController();
  const reason = new Error("enough");
  const onProgress = ({ bytes }: { readonly bytes: number }) => {
    if (bytes > 1_000_000) stop.abort(reason);
  };
  await assert.rejects(pullPaths(roots, peer, to, { ...OPTIONS, signal: stop.signal, onProgress }), reason);
  const server = await serve(t, to);
  await copyPaths([pathOf("a")], from, memoryStore(), OPTIONS);
  const again = new AbortController();
  const onPush = ({ bytes }: { readonly bytes: number }) => {
    if (bytes > 1_000_000) again.abort(reason);
  };
  await assert.rejects(
    pushPaths(roots, from, server.peer, { ...OPTIONS, signal: again.signal, onProgress: onPush }),
    reason,
  );
});
