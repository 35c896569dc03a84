/*
A store in one SQLite file: all services over it. Several processes may have it open.

    blobs(id, digest, size, bytes, touched)   digest null: being written, last touched then; bytes null: in pieces
    pieces(blob, at, bytes)                   contents of longer blobs, cut anywhere
    directories(digest, encoded)
    path_infos(hash_part, encoded)
    reference(target, referrer)               hash parts; a path's own is left out
    realisations(key, encoded)
*/

import { type BlobService, type DirectoryService, type LeaseService, MemoryLeases, VerifiedBlobs } from "@firn/castore";
import { useNodeKernels } from "@firn/hash/node";
import type { PathInfoService, RealisationService } from "@firn/store";
import { SqliteBlobs } from "./sqlite-blobs.ts";
import { SqliteDirectories } from "./sqlite-directories.ts";
import { SqliteFile, type SqliteSchema } from "./sqlite-file.ts";
import { SqlitePathInfos } from "./sqlite-path-infos.ts";
import { SqliteRealisations } from "./sqlite-realisations.ts";

/** A blob nobody has written to for this long is one whose writer is gone. */
const ABANDONED_SECONDS = 24 * 3600;
const ABANDONED = `select id from blobs where digest is null and touched < unixepoch() - ${ABANDONED_SECONDS}`;

const SCHEMA: SqliteSchema = {
  what: "store",
  applicationId: 0x4669726e, // "Firn"
  version: 1,
  synchronous: "full",
  tables: `
create table if not exists blobs(id integer primary key, digest blob unique, size integer, bytes blob, touched integer);
create index if not exists unfinished on blobs(touched) where digest is null;
create table if not exists pieces(blob integer not null, at integer not null, bytes blob not null);
create unique index if not exists piece on pieces(blob, at);
create table if not exists directories(id integer primary key, digest blob not null unique, encoded blob not null);
create table if not exists path_infos(id integer primary key, hash_part text not null unique, encoded blob not null);
create table if not exists reference(target text not null, referrer text not null, primary key(target, referrer)) without rowid;
`,
  prepare: `
create table if not exists realisations(id integer primary key, key text not null unique, encoded text not null);
begin immediate;
delete from pieces where blob in (${ABANDONED});
delete from blobs where id in (${ABANDONED});
commit;
`,
};

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
  const file = new SqliteFile(path, SCHEMA);
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
