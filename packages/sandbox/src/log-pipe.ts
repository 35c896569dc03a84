/*
A pipe for stdout and stderr together. What Node makes for `stdio: "pipe"` is a socket pair, on which a builder's `echo > /dev/stderr` fails, and
one pair for each stream would lose their order; so it is a FIFO that both streams share, unlinked as soon as it is open.
*/

import { execFile } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { Socket } from "node:net";
import { promisify } from "node:util";
import { BuildError } from "@firn/build";
import { findProgram } from "./programs.ts";

export type LogPipe = {
  /** Yields what is written until the last writer is gone. */
  readonly reader: Socket;
  /** To be handed to a child as stdout and stderr, then closed with `closeWriter`. */
  readonly writerFd: number;
  closeWriter(): void;
};

/** Opens a pipe by way of a FIFO at `path`, which must not exist. */
export async function openLogPipe(path: string): Promise<LogPipe> {
  const mkfifo = await findProgram("mkfifo");
  if (mkfifo === undefined) throw new BuildError("unsupported", "running a build needs the program mkfifo");
  await promisify(execFile)(mkfifo, ["-m", "600", path], { env: {} });
  const readerFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // would wait for a writer otherwise
  const writerFd = openSync(path, constants.O_WRONLY);
  await unlink(path);
  const reader = new Socket({ fd: readerFd, readable: true, writable: false });
  let open = true;
  const closeWriter = () => {
    if (open) closeSync(writerFd);
    open = false;
  };
  return { reader, writerFd, closeWriter };
}
