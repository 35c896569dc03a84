/* The memory backends keep the contracts. */

import { MemoryBlobs, MemoryDirectories, MemoryLeases } from "@firn/castore";
import { blobServiceContract, directoryServiceContract, leaseServiceContract } from "@firn/castore/contract";

const close = async () => {};

blobServiceContract("memory", async () => ({ blobs: new MemoryBlobs(), close }));
directoryServiceContract("memory", async () => ({ directories: new MemoryDirectories(), close }));
leaseServiceContract("memory", async () => {
  const leases = new MemoryLeases();
  return { leases, blobs: new MemoryBlobs(leases), directories: new MemoryDirectories(leases), close };
});
