/*
The reading side of a local store without promises, for an evaluator that runs in its own thread and cannot wait. Reads are verified
as everywhere. It opens the same index, in the same process or another, and sees what was committed when it is asked.
*/

import { resolve } from "node:path";
import { CastoreError, type Digest, type Directory } from "@firn/castore";
import { useNodeKernels } from "@firn/hash/node";
import type { PathInfo } from "@firn/store";
import { LocalStoreError } from "./error.ts";
import { ChunkStore } from "./chunk-store.ts";
import { FORMAT_VERSION, openFormat } from "./format.ts";
import { readBlobRecord } from "./local-blobs.ts";
import { readDirectory } from "./local-directories.ts";
import { readPathInfo } from "./local-path-infos.ts";
import { Packs } from "./packs.ts";
import { pathEpochAt, stampPath } from "./path-epochs.ts";
import { currentEpoch } from "./record-head.ts";
import { StoreIndex, textKey } from "./store-index.ts";

export interface SyncStore {
  /** The path info, which stays for as long as a lease is open that was opened before; undefined when absent. */
  pathInfo(hashPart: string): PathInfo | undefined;
  directory(digest: Digest): Directory | undefined;
  /** The whole blob in a new buffer, or undefined when absent. Throws `limit` when it is longer than `bytesMax`. */
  readBlob(digest: Digest, bytesMax?: number): Uint8Array | undefined;
  close(): Promise<void>;
}

const BYTES_MAX = 2 ** 31 - 1;
const READS_PER_SNAPSHOT = 1024;

/** Opens an existing store; throws LocalStoreError `not-a-store`, `unknown-format` or `storage`. */
export function openLocalStoreSync(storeDir: string): SyncStore {
  useNodeKernels();
  const dir = resolve(storeDir);
  const version = openFormat(dir, false);
  if (version < FORMAT_VERSION) {
    const message = `the store at ${dir} has format version ${version}: opening it for writing brings it up to date`;
    throw new LocalStoreError("unknown-format", message, { context: { dir, version } });
  }
  const index = new StoreIndex(dir);
  const packs = new Packs(dir);
  const chunks = new ChunkStore(index, packs);
  // LMDB gives one thread the same snapshot until it returns to its event loop, which an evaluation does not. So a miss asks a newer one,
  // and now and then the snapshot is let go, because the pages it holds cannot be used again by writers.
  let reads = 0;
  const fresh = <T>(read: () => T | undefined): T | undefined => {
    if (++reads % READS_PER_SNAPSHOT === 0) index.env.resetReadTxn();
    const found = read();
    if (found !== undefined) return found;
    index.env.resetReadTxn();
    return read();
  };
  return {
    pathInfo: (hashPart) => {
      const info = fresh(() => readPathInfo(index, hashPart));
      return info === undefined || isHeld(index, textKey(hashPart)) ? info : undefined;
    },
    directory: (digest) => fresh(() => readDirectory(index, digest)),
    readBlob: (digest, bytesMax = BYTES_MAX) => {
      const record = fresh(() => readBlobRecord(index, chunks, digest));
      if (record === undefined) return undefined;
      const size = record.kind === "inline" ? record.bytes.length : record.size;
      if (size > bytesMax)
        throw new CastoreError("limit", `blob ${digest} has ${size} bytes, at most ${bytesMax} are read whole`);
      if (record.kind === "inline") return record.bytes;
      const bytes = new Uint8Array(size);
      let at = 0;
      for (const chunk of record.chunks) {
        bytes.set(chunks.readSync(chunk.digest), at);
        at += chunk.size;
      }
      return bytes;
    },
    close: async () => {
      packs.close();
      await index.close();
    },
  };
}

/** Stamps a path that was found, so that whoever holds a lease can rely on it. False when it was collected in between. */
function isHeld(index: StoreIndex, key: Buffer): boolean {
  if (pathEpochAt(index, key) === currentEpoch(index)) return true;
  try {
    return index.write(() => {
      if (!index.pathInfos.doesExist(key)) return false;
      stampPath(index, key, currentEpoch(index));
      return true;
    });
  } catch {
    return true; // a full disk must not keep anyone from reading
  }
}
