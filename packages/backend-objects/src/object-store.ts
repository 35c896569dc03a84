/*
Blobs and directories as objects below one host directory. Several processes, Firn's or others', may use it at once: an object that is there is whole and
never changes.
*/

import { resolve } from "node:path";
import { type BlobService, type DirectoryService, type LeaseService, MemoryLeases } from "@firn/castore";
import { useNodeKernels } from "@firn/hash/node";
import { ObjectBlobs } from "./object-blobs.ts";
import { ObjectDirectories } from "./object-directories.ts";
import { ObjectFiles } from "./object-files.ts";

export type ObjectStore = {
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  /** Nothing deletes from such a store, so leases only have to be open. */
  readonly leases: LeaseService;
};

/** Opens the directory, which is made when it is first written to. Nothing has to be closed. */
export function openObjectStore(dir: string): ObjectStore {
  useNodeKernels();
  const files = new ObjectFiles(resolve(dir));
  const leases = new MemoryLeases();
  return { blobs: new ObjectBlobs(files, leases), directories: new ObjectDirectories(files, leases), leases };
}
