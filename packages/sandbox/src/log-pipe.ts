/*
Pipes for stdout and stderr together. What Node makes for `stdio: "pipe"` is a socket pair, on which a builder's `echo > /dev/stderr` fails, and
one pair for each stream would lose their order; so it is a FIFO that both streams share. A regular file would do worse: the same `echo` would
empty it. It is opened by name by whoever starts the job, who may be no child of ours, and unlinked then.

Node cannot make a FIFO. mkfifo(1) makes some at once, for this job and later ones, of other processes too; whoever renames one has it. Each serves
one job only, so that nothing a builder does to its own reaches another's log.

Builders write each line by itself. Who read each as it comes would be woken for every one; so after a read that found little there is a pause.
*/

import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, constants, mkdirSync, openSync, readdirSync, renameSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { BuildError } from "@firn/build";
import { requireProgram } from "./programs.ts";

const MADE_AT_ONCE = 256;
/** What is read at once: as much as a pipe holds when nobody made it larger. */
const READ_BYTES = 64 * 1024;
/** Between two reads when there was little, and when there was as much as fits a moment ago. */
const PAUSE_MS = 10;
const SHORT_PAUSE_MS = 1;

export type LogPipe = {
  /** Gives what is written to `onData`, which is done with the buffer when it returns; resolves when the last writer is gone, or the pipe closed. */
  read(onData: (bytes: Uint8Array) => void): Promise<void>;
  /** Others have opened it, or never will: from now on it ends with their last writer, and has no name any more. */
  opened(): void;
  /** Pauses no more, as there is little to come. */
  hurry(): void;
  /** Reads no more. */
  close(): void;
};

export class LogPipes {
  readonly #dir: string;
  #making: Promise<void> | undefined;

  /** `dir`, which is made when it is not there, keeps those made and not used yet; its parent is private. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Makes a pipe at `path`, which must not exist, and opens it. */
  async open(path: string): Promise<LogPipe> {
    while (!this.#take(path)) {
      this.#making ??= this.#make().finally(() => {
        this.#making = undefined;
      });
      await this.#making;
    }
    const readerFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // would wait for a writer otherwise
    const writerFd = openSync(path, constants.O_WRONLY);
    const buffer = new Uint8Array(READ_BYTES);
    let take: (bytes: Uint8Array) => void = () => undefined;
    let pauseMs = PAUSE_MS;
    let hurries = false;
    const callback = (length: number) => {
      take(buffer.subarray(0, length));
      const isMore = length === READ_BYTES || hurries;
      if (!isMore) setTimeout(() => reader.resume(), pauseMs);
      pauseMs = isMore ? SHORT_PAUSE_MS : PAUSE_MS;
      return isMore; // false: reads no more until it resumes
    };
    const onread = { buffer, callback };
    const reader = new Socket({ fd: readerFd, readable: true, writable: false, manualStart: true, onread } as object);
    const read = (onData: (bytes: Uint8Array) => void) => {
      take = onData;
      reader.resume();
      return new Promise<void>((resolve) => reader.once("close", () => resolve()));
    };
    const hurry = () => {
      hurries = true;
      reader.resume();
    };
    let open = true;
    const opened = () => {
      if (!open) return;
      open = false;
      closeSync(writerFd);
      unlinkSync(path);
    };
    const close = () => {
      opened();
      reader.destroy();
    };
    return { read, opened, hurry, close };
  }

  /** False when there is none. */
  #take(path: string): boolean {
    let names: string[];
    try {
      names = readdirSync(this.#dir);
    } catch {
      return false;
    }
    for (const name of names) {
      try {
        renameSync(join(this.#dir, name), path);
        return true;
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown; // else another process was first
      }
    }
    return false;
  }

  async #make(): Promise<void> {
    const mkfifo = requireProgram("mkfifo", "coreutils");
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    const paths = Array.from({ length: MADE_AT_ONCE }, () => join(this.#dir, randomUUID()));
    try {
      // Not by `-m`, which sets the mode of what others may have taken already.
      const script = 'umask 077; exec "$@"';
      await promisify(execFile)("/bin/sh", ["-c", script, "sh", mkfifo, ...paths], { env: {} });
    } catch (cause) {
      throw new BuildError("sandbox", "no FIFO for a log can be made", { cause });
    }
  }
}
