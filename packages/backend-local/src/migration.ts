/*
A store of format version 0 made one of version 1: records get heads, and blobs that were whole files are cut into chunks (the formats are in
docs/formats/local-store.md). It can be stopped at any moment and taken up again by anyone: the larger blobs' new records wait in a table
of their own until one transaction turns everything over, and the `format` file and the old files follow that.
*/

import { closeSync, constants, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { throwIfAborted } from "@firn/base";
import type { Digest } from "@firn/castore";
import { toHex } from "@firn/hash";
import { BlobIngest } from "./blob-ingest.ts";
import { ChunkSession, ChunkStore } from "./chunk-store.ts";
import { Commits } from "./commits.ts";
import { errnoOf, LocalStoreError, storageError } from "./error.ts";
import { PackWriter } from "./pack-writer.ts";
import { Packs } from "./packs.ts";
import { identityOfSelf, mayBeAlive } from "./process-identity.ts";
import { currentEpoch, HEAD_BYTES, stamp } from "./record-head.ts";
import { StoreIndex, type Table, textKey } from "./store-index.ts";

const VERSION_KEY = textKey("version");
const HOLDER_KEY = textKey("migration");
const WAIT_MS = 50;
const READ_BYTES = 1024 * 1024;
const SESSION_BYTES_MAX = 64 * 1024 * 1024;
const OLD_INLINE = 0;

/**
 * Brings the records of the store at `dir` to version 1, unless they are already; waits while another process is doing it. Writing the
 * `format` file is the caller's, afterwards. Throws LocalStoreError `storage`, also while a living process has a lease in the store.
 */
export async function migrateFromVersion0(dir: string, signal?: AbortSignal): Promise<void> {
  mkdirSync(join(dir, "packs"), { recursive: true });
  const index = new StoreIndex(dir);
  try {
    while (!claim(index, dir)) {
      throwIfAborted(signal);
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
      index.env.resetReadTxn();
    }
    if (versionOf(index) === 0) await migrate(index, dir, signal);
    rmSync(join(dir, "blobs"), { recursive: true, force: true });
    index.write(() => index.meta.removeSync(HOLDER_KEY));
  } finally {
    await index.close();
  }
}

function versionOf(index: StoreIndex): number {
  const bytes = index.meta.getBinary(VERSION_KEY);
  return bytes === undefined ? 0 : bytes[0];
}

/** Takes the store for this process, or says that another one has it. */
function claim(index: StoreIndex, dir: string): boolean {
  return index.write(() => {
    const holder = index.meta.getBinary(HOLDER_KEY);
    if (holder !== undefined && mayBeAlive(Buffer.from(holder).toString("latin1"))) return false;
    if (versionOf(index) === 0) {
      for (const { value } of index.leases.getRange()) {
        const { holder: process, label } = JSON.parse(Buffer.from(value).toString()) as Record<string, string>;
        if (!mayBeAlive(process)) continue;
        throw new LocalStoreError(
          "storage",
          `the store at ${dir} is to be brought up to date, but an older Firn is using it (${label}): try again when that has ended`,
        );
      }
    }
    index.meta.putSync(HOLDER_KEY, textKey(identityOfSelf()));
    return true;
  });
}

async function migrate(index: StoreIndex, dir: string, signal: AbortSignal | undefined): Promise<void> {
  const chunked = index.env.openDB({ name: "migrated-blobs", encoding: "binary", keyEncoding: "binary", cache: false });
  await cutFiles(index, dir, chunked as Table, signal);
  index.write(() => {
    const epoch = currentEpoch(index);
    for (const key of keysOf(index.directories))
      index.directories.putSync(key, withHead(index.directories.getBinary(key) as Uint8Array, epoch));
    for (const key of keysOf(index.blobs)) {
      const old = index.blobs.getBinary(key) as Uint8Array;
      const made = old[0] === OLD_INLINE ? withHead(old, epoch) : chunked.getBinary(key);
      // A file that was damaged or gone is nothing that could be kept: its blob is absent now, and may be put again.
      if (made === undefined) index.blobs.removeSync(key);
      else index.blobs.putSync(key, made);
    }
    chunked.clearSync();
    index.meta.putSync(VERSION_KEY, new Uint8Array([1, 0, 0, 0]));
  });
}

async function cutFiles(index: StoreIndex, dir: string, to: Table, signal: AbortSignal | undefined): Promise<void> {
  const packs = new Packs(dir);
  const writer = new PackWriter(index, packs);
  const session = new ChunkSession({ chunks: new ChunkStore(index, packs), writer, commits: new Commits(index) }, to);
  try {
    for (const key of keysOf(index.blobs)) {
      throwIfAborted(signal);
      if ((index.blobs.getBinary(key) as Uint8Array)[0] === OLD_INLINE || to.doesExist(key)) continue;
      await cutFile(join(dir, "blobs"), toHex(key) as Digest, session);
      if (session.appendedBytes > SESSION_BYTES_MAX) await session.commit();
    }
    await session.commit();
  } catch (thrown) {
    throw storageError("bringing the store up to date", thrown);
  } finally {
    await session.settle();
    await writer.close();
    packs.close();
  }
}

/** The digest is computed anew, so a damaged file becomes another blob, which nothing names. */
async function cutFile(blobs: string, digest: Digest, session: ChunkSession): Promise<void> {
  let fd: number;
  try {
    fd = openSync(join(blobs, digest.slice(0, 2), digest), constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return;
    throw thrown;
  }
  try {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const ingest = new BlobIngest(session);
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) {
      await ingest.write(buffer.subarray(0, count));
    }
    await ingest.finish();
  } finally {
    closeSync(fd);
  }
}

function keysOf(table: Table): Buffer[] {
  return Array.from(table.getKeys(), (key) => Buffer.from(key));
}

function withHead(value: Uint8Array, epoch: number): Uint8Array {
  const made = new Uint8Array(HEAD_BYTES + value.length);
  stamp(made, epoch);
  made.set(value, HEAD_BYTES);
  return made;
}
