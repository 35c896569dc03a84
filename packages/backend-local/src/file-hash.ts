/*
The BLAKE3 of a file on disk, in a row that is broken now and then so that a large one does not hold everything else up.
*/

import { closeSync, constants, openSync, readSync } from "node:fs";
import { throwIfAborted } from "@firn/base";
import type { Digest } from "@firn/castore";
import { createHasher, toHex } from "@firn/hash";

const READ_BYTES = 256 * 1024;
const ROW_BYTES = 16 * 1024 * 1024;
const buffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** Hashes what can be read from an open descriptor, from its beginning; the position does not move. */
export async function hashDescriptor(fd: number, signal?: AbortSignal): Promise<Digest> {
  const hasher = createHasher("blake3");
  for (let at = 0, row = 0; ; ) {
    // Read and hashed without leaving the call, so one buffer serves all.
    const length = readSync(fd, buffer, 0, READ_BYTES, at);
    if (length === 0) return toHex(hasher.digest()) as Digest;
    hasher.update(buffer.subarray(0, length));
    at += length;
    row += length;
    if (row < ROW_BYTES) continue;
    row = 0;
    await new Promise(setImmediate);
    throwIfAborted(signal);
  }
}

/** Hashes the file at a host path, which must not be a symlink. */
export async function hashFile(path: string | Buffer, signal?: AbortSignal): Promise<Digest> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return await hashDescriptor(fd, signal);
  } finally {
    closeSync(fd);
  }
}
