/* The remote services keep their contracts through real servers: Firn's, and ones that have castore.v1 and store.v1 alone. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openLocalStore } from "@firn/backend-local";
import { untilAborted } from "@firn/base";
import { blobServiceContract, directoryServiceContract, leaseServiceContract } from "@firn/castore/contract";
import { RemoteUpkeep } from "@firn/protocol";
import type { StoreUpkeep } from "@firn/store";
import { pathInfoServiceContract, storeUpkeepContract } from "@firn/store/contract";
import { openServed, openServedWithEmpty } from "./served.ts";

for (const on of ["tcp", "unix"] as const) {
  blobServiceContract(`grpc over ${on}`, () => openServed({ on }));
  directoryServiceContract(`grpc over ${on}`, () => openServed({ on }));
  leaseServiceContract(`grpc over ${on}`, () => openServedWithEmpty({ on }));
  pathInfoServiceContract(`grpc over ${on}`, () => openServedWithEmpty({ on }));
}

storeUpkeepContract("grpc", async () => {
  const dir = await mkdtemp(join(tmpdir(), "firn-upkeep-"));
  const store = await openLocalStore(join(dir, "store"));
  const served = await openServed({ upkeep: store });
  const close = async () => {
    await served.close();
    await store.close();
    await rm(dir, { recursive: true });
  };
  return { upkeep: new RemoteUpkeep(served.peer), pathInfos: store.pathInfos, close };
});

test("a collection that nobody waits for any more ends", async (t) => {
  const ended = Promise.withResolvers<unknown>();
  const fake: Pick<StoreUpkeep, "collectGarbage"> = {
    collectGarbage: async ({ signal, onProgress } = {}) => {
      onProgress?.({ phase: "mark", done: 1 });
      await untilAborted(signal as AbortSignal);
      ended.resolve("ended");
      throw signal?.reason;
    },
  };
  const served = await openServed({ upkeep: fake as StoreUpkeep });
  t.after(served.close);
  const stop = new AbortController();
  const onProgress = () => stop.abort(new Error("enough"));
  const collecting = new RemoteUpkeep(served.peer).collectGarbage({ signal: stop.signal, onProgress });
  await assert.rejects(collecting, { message: "enough" });
  assert.equal(await ended.promise, "ended");
});

test("a server without upkeep says that it has none", async (t) => {
  const served = await openServed({ withFirn: false });
  t.after(served.close);
  await assert.rejects(new RemoteUpkeep(served.peer).collectGarbage(), { code: "unsupported" });
});

for (const dialect of ["snix", "tvix"] as const) {
  const open = () => openServed({ withFirn: false, dialects: [dialect] });
  blobServiceContract(`${dialect}.castore.v1 alone`, open);
  directoryServiceContract(`${dialect}.castore.v1 alone`, open);
}
