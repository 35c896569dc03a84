/* The local store keeps the contracts of all its interfaces. */

import { join } from "node:path";
import { openLocalStore } from "@firn/backend-local";
import { Directory } from "@firn/castore";
import { blobServiceContract, directoryServiceContract, leaseServiceContract } from "@firn/castore/contract";
import { pathInfoServiceContract, realisationServiceContract, storeUpkeepContract } from "@firn/store/contract";
import { temporaryDir } from "./odd-tree.ts";

async function open() {
  const dir = temporaryDir();
  const store = await openLocalStore(join(dir.path, "store"));
  const close = async () => {
    await store.close();
    dir[Symbol.dispose]();
  };
  return { ...store, close };
}

blobServiceContract("the local store", open);
directoryServiceContract("the local store", open);
leaseServiceContract("the local store", open);
realisationServiceContract("the local store", open);
storeUpkeepContract("the local store", async () => {
  const { close, ...store } = await open();
  return { upkeep: store, pathInfos: store.pathInfos, close };
});
pathInfoServiceContract("the local store", async () => {
  const opened = await open();
  await opened.blobs.put(new Uint8Array());
  await opened.directories.put(Directory.EMPTY);
  return opened;
});
