/*
Live logs as files, one for each attempt: written as the builder speaks, so that any process can read along. They are short-lived, and what a
killed process leaves is the log of its last attempts, kept as long as their records are.
*/

import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { BuildError, type LiveLog, type LiveLogs } from "@firn/build";
import { messageOf } from "@firn/base";

const READ_BYTES_MAX = 256 * 1024;

export class FileLogs implements LiveLogs {
  readonly #dir: string;

  /** `dir` is made when it is not there. */
  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  open(id: string): LiveLog {
    try {
      return new FileLog(openSync(this.#path(id), "wx", 0o600));
    } catch (thrown) {
      throw new BuildError("storage", `the log of an attempt cannot be written: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    }
  }

  async read(id: string, from: number, buffer?: Uint8Array): Promise<Uint8Array | undefined> {
    let fd: number;
    try {
      fd = openSync(this.#path(id), "r");
    } catch {
      return undefined;
    }
    try {
      const length = Math.max(0, Math.min(buffer?.length ?? READ_BYTES_MAX, fstatSync(fd).size - from));
      const bytes = buffer ?? new Uint8Array(length);
      return bytes.subarray(0, length === 0 ? 0 : readSync(fd, bytes, 0, length, from));
    } finally {
      closeSync(fd);
    }
  }

  async remove(id: string): Promise<void> {
    rmSync(this.#path(id), { force: true });
  }

  #path(id: string): string {
    return join(this.#dir, id.replace(/[^A-Za-z0-9_-]/g, "_"));
  }
}

class FileLog implements LiveLog {
  readonly #fd: number;
  #length = 0;
  #isOpen = true;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length; ) {
        const written = writeSync(this.#fd, bytes, at, bytes.length - at, this.#length);
        at += written;
        this.#length += written;
      }
    } catch {
      // A full disk: the rest of these bytes is lost, the build itself will meet it soon enough.
    }
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }
}
