/*
The host's files for the evaluator: synchronous reads by byte-string path. A synchronous read costs microseconds, and the evaluator has its own
thread, so nothing waits that should not.
*/

import {
  closeSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { isAscii } from "@firn/base";
import { EvalError, type FileKind } from "@firn/eval";
import type { HostFiles, HostFileStatus } from "@firn/glue/evaluation";

/** A byte string as fs wants a path: as it is when that is the same bytes, otherwise a buffer. */
export function fsPath(path: string): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, "latin1");
}

type StatusLike = Pick<Stats, "isFile" | "isDirectory" | "isSymbolicLink">;

function kindOf(status: StatusLike): FileKind {
  return status.isFile()
    ? "regular"
    : status.isDirectory()
      ? "directory"
      : status.isSymbolicLink()
        ? "symlink"
        : "unknown";
}

const OPENING_DIRECTORY = "opening directory";
const REASONS: Record<string, string> = {
  EACCES: "Permission denied",
  EINVAL: "Invalid argument",
  ELOOP: "Too many levels of symbolic links",
};

/** The error Nix gives: "path '/x' does not exist", or "opening '/x': Permission denied". */
function ioError(what: string, path: string, thrown: unknown): EvalError {
  const code = (thrown as NodeJS.ErrnoException).code ?? "";
  const plain =
    code === "EISDIR"
      ? `file '${path}' is not a regular file`
      : code === "ENOTDIR" && what === OPENING_DIRECTORY
        ? `'${path}' is not a directory`
        : code === "ENOENT" || code === "ENOTDIR"
          ? `path '${path}' does not exist`
          : undefined;
  if (plain !== undefined) return new EvalError("io", plain, 0, thrown);
  return new EvalError("io", `${what} '${path}': ${REASONS[code] ?? String(thrown)}`, 0, thrown);
}

export class DiskFiles implements HostFiles {
  #buffer = Buffer.allocUnsafe(1 << 16);

  status(path: string): HostFileStatus | undefined {
    try {
      const status = lstatSync(fsPath(path), { throwIfNoEntry: false });
      return status && { kind: kindOf(status), executable: (status.mode & 0o100) !== 0 };
    } catch (thrown) {
      // A path that goes through a file leads nowhere.
      if ((thrown as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
      throw ioError("getting status of", path, thrown);
    }
  }

  readFile(path: string): Uint8Array {
    try {
      return readFileSync(fsPath(path));
    } catch (thrown) {
      throw ioError("opening", path, thrown);
    }
  }

  readText(path: string): string {
    let fd: number | undefined;
    try {
      fd = openSync(fsPath(path), "r");
      const { size } = fstatSync(fd);
      if (size >= this.#buffer.length) return readFileSync(fd, "latin1");
      let length = 0;
      for (;;) {
        if (length === this.#buffer.length)
          return this.#buffer.toString("latin1", 0, length) + readFileSync(fd, "latin1");
        const count = readSync(fd, this.#buffer, length, this.#buffer.length - length, null);
        if (count === 0) return this.#buffer.toString("latin1", 0, length);
        length += count;
        if (length === size) return this.#buffer.toString("latin1", 0, length);
      }
    } catch (thrown) {
      throw ioError("opening", path, thrown);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  readDirectory(path: string): readonly (readonly [string, FileKind])[] {
    try {
      const entries = readdirSync(fsPath(path), { encoding: "latin1", withFileTypes: true });
      return entries.map((entry) => [entry.name, kindOf(entry)] as const);
    } catch (thrown) {
      throw ioError(OPENING_DIRECTORY, path, thrown);
    }
  }

  readLink(path: string): string {
    try {
      return readlinkSync(fsPath(path), { encoding: "latin1" });
    } catch (thrown) {
      throw ioError("reading symbolic link", path, thrown);
    }
  }
}
