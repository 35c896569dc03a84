/*
The larger blobs as whole files, blobs/<first two digits>/<digest>, mode 0444 and mtime 1. A file gets there by rename after it was
flushed, and the directory is flushed before the index knows of it; so a record in the index means a whole file on disk.

Bytes that were damaged since must not be handed out: a file is hashed as a whole before the first byte of it is read in this process,
and again when its inode, length or mtime are others than those that were hashed.
*/

import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, type Stats } from "node:fs";
import { chmod, open, rename, utimes } from "node:fs/promises";
import { join } from "node:path";
import { CastoreError, type Digest, digestOf } from "@firn/castore";
import { errnoOf, storageError } from "./error.ts";
import { hashDescriptor } from "./file-hash.ts";

const FILE_MODE = 0o444;

export class BlobFiles {
  readonly #dir: string;
  readonly #madeFans = new Set<string>();
  /** What was hashed in this process: digest to the stamp of the file then. */
  readonly #verified = new Map<Digest, string>();

  constructor(storeDir: string) {
    this.#dir = join(storeDir, "blobs");
  }

  /** Where the file of a blob is, or would be. */
  pathOf(digest: Digest): string {
    return join(this.#dir, digest.slice(0, 2), digest);
  }

  /** Takes the closed, complete file at `staged` as the blob's and flushes it. Renaming over an equal file is harmless. */
  async adopt(staged: string, digest: Digest): Promise<void> {
    const fan = join(this.#dir, digest.slice(0, 2));
    if (!this.#madeFans.has(fan)) {
      mkdirSync(fan, { recursive: true });
      this.#madeFans.add(fan);
      await flush(this.#dir);
    }
    await chmod(staged, FILE_MODE);
    await utimes(staged, 1, 1);
    await flush(staged);
    await rename(staged, this.pathOf(digest));
    await flush(fan);
  }

  /** Opens the blob's file for reading, verified. `missing` when the file is gone, `corrupt` when it is another. The caller closes it. */
  async openVerified(digest: Digest, size: number, signal?: AbortSignal): Promise<number> {
    const fd = this.#open(digest, size);
    try {
      if (this.#isVerified(digest, fd)) return fd;
      this.#finishVerify(digest, fd, await hashDescriptor(fd, signal));
      return fd;
    } catch (thrown) {
      closeSync(fd);
      if (signal?.aborted) throw signal.reason;
      throw storageError(`reading blob ${digest}`, thrown);
    }
  }

  /** Whether the blob's file is there, whole and undamaged. */
  async isGood(digest: Digest, size: number, signal?: AbortSignal): Promise<boolean> {
    try {
      closeSync(await this.openVerified(digest, size, signal));
      return true;
    } catch (thrown) {
      if (thrown instanceof CastoreError && (thrown.code === "corrupt" || thrown.code === "missing")) return false;
      throw thrown;
    }
  }

  /** All bytes of the blob, verified, without leaving the call. */
  readSync(digest: Digest, size: number): Uint8Array {
    const fd = this.#open(digest, size);
    try {
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size; ) {
        const length = readSync(fd, bytes, at, size - at, at);
        if (length === 0) break;
        at += length;
      }
      this.#finishVerify(digest, fd, digestOf(bytes));
      return bytes;
    } catch (thrown) {
      throw storageError(`reading blob ${digest}`, thrown);
    } finally {
      closeSync(fd);
    }
  }

  #open(digest: Digest, size: number): number {
    let fd: number;
    try {
      fd = openSync(this.pathOf(digest), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (thrown) {
      if (errnoOf(thrown) !== "ENOENT") throw storageError(`reading blob ${digest}`, thrown);
      throw new CastoreError("missing", `the store knows blob ${digest} but its file is gone`, { context: { digest } });
    }
    const found = fstatSync(fd);
    if (found.size === size) return fd;
    closeSync(fd);
    throw corrupt(digest, `its file has ${found.size} bytes instead of ${size}`);
  }

  #isVerified(digest: Digest, fd: number): boolean {
    return this.#verified.get(digest) === stampOf(fstatSync(fd));
  }

  #finishVerify(digest: Digest, fd: number, found: string): void {
    if (found !== digest) throw corrupt(digest, "the bytes of its file have another digest");
    this.#verified.set(digest, stampOf(fstatSync(fd)));
  }
}

function corrupt(digest: Digest, how: string): CastoreError {
  return new CastoreError("corrupt", `blob ${digest} is damaged: ${how}`, { context: { digest } });
}

/** Not the ctime: hard links change it. */
function stampOf(stats: Stats): string {
  return `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
