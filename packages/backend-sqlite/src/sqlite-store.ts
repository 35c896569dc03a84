/*
A store in one SQLite file: all services over it. Several processes may have it open.
*/

import { type BlobService, type DirectoryService, type LeaseService, MemoryLeases, VerifiedBlobs } from "@firn/castore";
import { useNodeKernels } from "@firn/hash/node";
import type { PathInfoService, RealisationService } from "@firn/store";
import { SqliteBlobs } from "./sqlite-blobs.ts";
import { SqliteDirectories } from "./sqlite-directories.ts";
import { SqliteFile } from "./sqlite-file.ts";
import { SqlitePathInfos } from "./sqlite-path-infos.ts";
import { SqliteRealisations } from "./sqlite-realisations.ts";

export interface SqliteStore extends AsyncDisposable {
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly pathInfos: PathInfoService;
  readonly realisations: RealisationService;
  /** Nothing deletes from such a store, so leases only have to be open. */
  readonly leases: LeaseService;
  close(): Promise<void>;
}

/** Opens the file, which is made when it is not there. Throws SqliteStoreError. */
export function openSqliteStore(path: string): SqliteStore {
  useNodeKernels();
  const file = new SqliteFile(path);
  const leases = new MemoryLeases();
  const close = async () => file.close();
  return {
    blobs: new VerifiedBlobs(new SqliteBlobs(file, leases)),
    directories: new SqliteDirectories(file, leases),
    pathInfos: new SqlitePathInfos(file, leases),
    realisations: new SqliteRealisations(file, leases),
    leases,
    close,
    [Symbol.asyncDispose]: close,
  };
}
