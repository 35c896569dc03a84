/* Copies of closures: only what is missing travels, what was stopped goes on, and a source that lies is found out. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type BlobService,
  type Digest,
  InterceptedBlobs,
  InterceptedDirectories,
  MemoryBlobs,
  type ServiceEvent,
  tracing,
} from "@firn/castore";
import { calculateNar, copyPaths, copyTree, needPathInfo, type StoreServices } from "@firn/store";
import { chainStore, memoryStore, pathOf, register, treeNode } from "./small-store.ts";

const options = { registeredAt: 7 };

function traced(services: StoreServices): { services: StoreServices; events: ServiceEvent[] } {
  const events: ServiceEvent[] = [];
  const interceptor = tracing({ instance: "from", now: () => 0, sink: (event) => events.push(event) });
  return {
    events,
    services: {
      ...services,
      blobs: new InterceptedBlobs(services.blobs, interceptor),
      directories: new InterceptedDirectories(services.directories, interceptor),
    },
  };
}

describe("a copy", () => {
  test("takes the closure and nothing else, and every path renders as before", async () => {
    const from = await chainStore();
    const to = memoryStore();
    const result = await copyPaths([pathOf("c")], from, to, options);
    assert.deepEqual(
      result.copied.map(({ name }) => name),
      ["name-a", "name-b", "name-c"],
    );
    for (const path of result.copied) {
      const info = await needPathInfo(path, to.pathInfos);
      const { narSha256, narSize } = await calculateNar(info.node, to);
      assert.deepEqual([narSha256, narSize, info.registeredAt], [info.narSha256, info.narSize, 7]);
    }
    assert.equal(await to.pathInfos.get(pathOf("d").hashPart), undefined);
  });

  test("asks for each blob once, and for nothing when all is there", async () => {
    const { services, events } = traced(await chainStore());
    const to = memoryStore();
    await copyPaths([pathOf("d")], services, to, options);
    const reads = events.filter(({ operation }) => operation === "openRead").map(({ subject }) => subject);
    assert.equal(new Set(reads).size, reads.length);
    events.length = 0;
    const again = await copyPaths([pathOf("d")], services, to, options);
    assert.deepEqual(again.copied, []);
    assert.deepEqual(events, []);
  });

  test("does not look into directories that the target has", async () => {
    const from = await chainStore();
    const to = memoryStore();
    await copyPaths([pathOf("a")], from, to, options);
    const { services, events } = traced(from);
    await copyPaths([pathOf("c")], services, to, options);
    const info = await needPathInfo(pathOf("a"), from.pathInfos);
    assert.ok(info.node.kind === "directory");
    const lib = (await from.directories.get(info.node.digest))?.get("lib") as { digest: Digest };
    assert.ok(events.length > 0);
    assert.ok(events.every(({ subject, operation }) => operation === "has" || subject !== lib.digest));
  });

  test("that was stopped goes on with what lacks", async () => {
    const from = await chainStore();
    const to = memoryStore();
    const stop = new AbortController();
    const stopped = copyPaths([pathOf("d")], from, to, {
      ...options,
      signal: stop.signal,
      onProgress: ({ paths }) => {
        if (paths === 2) stop.abort(new Error("enough"));
      },
    });
    await assert.rejects(stopped, { message: "enough" });
    assert.notEqual(await to.pathInfos.get(pathOf("b").hashPart), undefined);
    const rest = await copyPaths([pathOf("d")], from, to, options);
    assert.deepEqual(
      rest.copied.map(({ name }) => name),
      ["name-c", "name-d"],
    );
  });

  test("counts paths, bytes that came and bytes that did not have to", async () => {
    const from = await chainStore();
    const seen: number[] = [];
    const result = await copyPaths([pathOf("d")], from, memoryStore(), {
      ...options,
      onProgress: ({ bytes }) => seen.push(bytes),
    });
    assert.equal(result.pathsTotal, 4);
    assert.equal(result.paths, 4);
    assert.ok(result.bytes > 5000);
    assert.deepEqual(
      [...seen].sort((x, y) => x - y),
      seen,
    );
  });
});

describe("a source is not believed", () => {
  const lying = (services: StoreServices, wrong: (blobs: BlobService) => Promise<Digest>): StoreServices => {
    const blobs: BlobService = Object.create(services.blobs, {
      openRead: { value: async () => services.blobs.openRead(await wrong(services.blobs)) },
      chunks: { value: async () => [] },
      supports: { value: services.blobs.supports },
    });
    return { ...services, blobs };
  };

  test("bytes of another digest are refused and the path is not registered", async () => {
    const from = lying(await chainStore(), (blobs) => blobs.put(new Uint8Array(5000)));
    const to = memoryStore();
    await assert.rejects(copyPaths([pathOf("a")], from, to, options), { code: "corrupt" });
    assert.equal(await to.pathInfos.get(pathOf("a").hashPart), undefined);
  });

  test("a path info with another NAR hash, or contents that are not there, are refused", async () => {
    const from = memoryStore();
    const node = await treeNode(from, { x: "y" });
    await from.pathInfos.put([{ ...(await register(memoryStore(), "a", { kind: "symlink", target: "z" })), node }]);
    const to = memoryStore();
    await assert.rejects(copyPaths([pathOf("a")], from, to, options), { code: "mismatch" });
    assert.equal(await to.pathInfos.get(pathOf("a").hashPart), undefined);
    const empty = { ...from, blobs: new MemoryBlobs() };
    await assert.rejects(copyTree(node, empty, memoryStore()), { code: "missing" });
    await assert.rejects(copyPaths([pathOf("z")], from, to, options), { code: "missing" });
  });
});
