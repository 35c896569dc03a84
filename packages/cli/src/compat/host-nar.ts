/*
NARs of what is on this host, and back: `nix-store --dump` and `--restore`, `nix-hash`. No store is involved. Names are bytes throughout;
the walk keeps its own stack, so that one chunk goes out before the next is read.
*/

import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  symlinkSync,
  writeSync,
} from "node:fs";
import { type ByteStream, type ByteString, textOf, throwIfAborted } from "@firn/base";
import { NarWriter, readNarStream } from "@firn/nix-compat";
import { CliError } from "../error.ts";
import { isErrno } from "../report.ts";

const READ_BYTES = 256 * 1024;
/** Entries handled in a row before timers and signals get their turn. */
const ROW_ENTRIES = 256;

type Step = { readonly name?: ByteString; readonly path: ByteString } | "end";

/** The NAR of a file, directory or symlink at a host path. Throws `not-found` or `invalid-target`, or what the system says. */
export async function* narOfHost(root: ByteString, signal?: AbortSignal): ByteStream {
  let out: Uint8Array[] = [];
  const writer = new NarWriter((chunk) => out.push(chunk));
  const stack: Step[] = [{ path: root }];
  let row = 0;
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    if (step === "end") {
      writer.endDirectory();
      continue;
    }
    const { name, path } = step;
    if (name !== undefined) writer.entry(name);
    const stats = lstat(path);
    if (stats.isDirectory()) {
      writer.startDirectory();
      const names = readdirSync(hostPath(path), { encoding: "buffer" }).map((found) => found.toString("latin1"));
      stack.push("end");
      for (const child of names.sort().reverse()) stack.push({ name: child, path: `${path}/${child}` });
    } else if (stats.isSymbolicLink()) {
      writer.symlink(readlinkSync(hostPath(path), { encoding: "buffer" }).toString("latin1"));
    } else if (stats.isFile()) {
      for (const chunk of fileChunks(path)) {
        if (typeof chunk === "number") writer.startFile(chunk, (stats.mode & 0o100) !== 0);
        else writer.contents(chunk);
        yield* out;
        out = [];
        throwIfAborted(signal);
      }
    } else throw new CliError("invalid-target", `file '${textOf(path)}' has an unsupported type`);
    yield* out;
    out = [];
    if (++row % ROW_ENTRIES === 0) await new Promise(setImmediate);
    throwIfAborted(signal);
  }
  writer.finish();
  yield* out;
}

/** Makes what a NAR holds at a host path where nothing is yet. */
export async function restoreToHost(nar: ByteStream, root: ByteString): Promise<void> {
  const open: ByteString[] = [];
  let name = "";
  let fd = -1;
  let remaining = 0;
  const here = () => hostPath(open.length === 0 ? root : `${open[open.length - 1]}/${name}`);
  try {
    for await (const event of readNarStream(nar)) {
      if (event.kind === "entry") name = event.name;
      else if (event.kind === "directory") {
        const path = here();
        mkdirSync(path);
        open.push(path.toString("latin1"));
      } else if (event.kind === "directory-end") open.pop();
      else if (event.kind === "symlink") symlinkSync(hostPath(event.target), here());
      else if (event.kind === "file") {
        // As Nix: what the umask lets through, executable for whoever may read.
        fd = openSync(here(), constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o666);
        if (event.executable) chmodSync(here(), fstatSync(fd).mode | 0o111);
        remaining = event.size;
      } else {
        for (let at = 0; at < event.bytes.length; ) at += writeSync(fd, event.bytes, at);
        remaining -= event.bytes.length;
      }
      if (fd >= 0 && remaining === 0) {
        closeSync(fd);
        fd = -1;
      }
    }
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** The contents of a host file, links followed, a pipe too. */
export function* contentsOfHost(path: ByteString): Generator<Uint8Array, void> {
  const fd = openFile(path, 0);
  try {
    for (;;) {
      const buffer = new Uint8Array(READ_BYTES);
      const length = readSync(fd, buffer, 0, READ_BYTES, null);
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

/** First the size, then the contents. */
function* fileChunks(path: ByteString): Generator<number | Uint8Array, void> {
  const fd = openFile(path, constants.O_NOFOLLOW);
  try {
    const { size } = fstatSync(fd);
    yield size;
    for (let at = 0; at < size; ) {
      const buffer = new Uint8Array(Math.min(READ_BYTES, size - at));
      const length = readSync(fd, buffer, 0, buffer.length, at);
      if (length === 0) throw new CliError("invalid-target", `file '${textOf(path)}' became shorter while it was read`);
      at += length;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

function openFile(path: ByteString, flags: number): number {
  return openSync(hostPath(path), constants.O_RDONLY | flags);
}

function lstat(path: ByteString): Stats {
  try {
    return lstatSync(hostPath(path));
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) throw new CliError("not-found", `path '${textOf(path)}' does not exist`);
    throw thrown;
  }
}

function hostPath(path: ByteString): Buffer {
  return Buffer.from(path, "latin1");
}
