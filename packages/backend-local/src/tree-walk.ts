/*
A tree of the host's disk read in the order of a NAR, one thing after another: `next` fills the one event that there is. It stores nothing, so it runs beside
an import as well as in a thread of its own (tree-thread.ts). A tree is mostly small files, and for those an asynchronous call
costs more than the disk, so all calls are synchronous.

A file is never followed through a symlink at its name. One that may have changed while it was read is reported as `changed`: its length or its times
are others than before, or it is read twice where its times are so young that a change could not be told.
*/

import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { type ByteString, textOf } from "@firn/base";
import {
  CastoreError,
  type Digest,
  digestOf,
  type DirectoryNode,
  type ImportOptions,
  type Node,
  tooDeep,
  TREE_DEPTH_MAX,
} from "@firn/castore";
import { CHUNK_BYTES_MIN } from "@firn/hash";
import { errnoOf, storageError, storageProblem } from "./error.ts";
import { hostPath } from "./host-path.ts";
import { RACY_MS, type SeenDirectory, type SeenStats } from "./stat-cache.ts";

/** Contents up to this long come whole. */
export const WHOLE_BYTES_MAX = CHUNK_BYTES_MIN;
/** Longest piece of longer contents. */
export const PIECE_BYTES_MAX = 2 * 1024 * 1024;
// A FIFO put in the place of a file must not make opening wait for a writer.
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const NO_BYTES = new Uint8Array(0);
const NO_STATS: SeenStats = { mtimeMs: 0, ctimeMs: 0, ino: 0, size: 0 };

/**
 * - `directory` … `end`: what is between is in it. When its end `isKnown`, nothing in it changed since the stat cache saw it as `known`.
 * - `symlink`: `target`.
 * - `file`: whole, `bytes` with their `digest`; or, when `isKnown`, no bytes and the digest that the stat cache has.
 * - `large`, then `piece`s, then `large-end`.
 * - `done`: there is no more. `later`: nothing yet, wait.
 */
export type TreeEventKind =
  | "directory"
  | "end"
  | "symlink"
  | "file"
  | "large"
  | "piece"
  | "large-end"
  | "done"
  | "later";

/** What was met. Fields that a kind does not have keep what they were. */
export class TreeEvent {
  kind: TreeEventKind = "later";
  /** In its directory; empty for the root. */
  name: ByteString = "";
  target: ByteString = "";
  digest = "" as Digest;
  /** A view that is good until the next event. */
  bytes: Uint8Array = NO_BYTES;
  isExecutable = false;
  isKnown = false;
  /** Of a directory whose end `isKnown`. */
  known: DirectoryNode | undefined = undefined;
  /** Of a file or directory. */
  stats: SeenStats = NO_STATS;
  /** When the walk came to the directory, ms since 1970. */
  seenAtMs = 0;
  /** Host path of a directory. */
  path: ByteString = "";
}

export type TreeWalkOptions = {
  readonly filter?: ImportOptions["filter"];
  /** What is remembered of a directory at a host path. */
  readonly seen?: (path: ByteString) => SeenDirectory | undefined;
  /** Whether contents that are remembered are in the store. */
  readonly hasContents?: (key: Buffer) => boolean;
  /** Memory for at least PIECE_BYTES_MAX bytes, where contents are read to. */
  readonly memory: () => Uint8Array;
};

type Listed = { readonly name: ByteString; readonly kind: Node["kind"] | undefined; readonly target: ByteString };

type Frame = {
  readonly name: ByteString;
  readonly path: ByteString;
  readonly relative: ByteString;
  readonly entries: readonly Listed[];
  readonly stats: SeenStats;
  readonly before: SeenDirectory | undefined;
  /** Whether `entries` are those that were remembered. */
  readonly isListed: boolean;
  /** Whether nothing in it was found changed. */
  isKnown: boolean;
  next: number;
};

type LargeFile = { readonly fd: number; readonly path: ByteString; readonly before: Stats; done: number };

export class TreeWalk {
  readonly event = new TreeEvent();
  readonly #options: TreeWalkOptions;
  readonly #root: ByteString;
  readonly #beganAtMs = Date.now();
  readonly #open: Frame[] = [];
  #isBegun = false;
  #met = 0;
  #large: LargeFile | undefined;

  /** `root` is absolute. */
  constructor(root: ByteString, options: TreeWalkOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** The next event: always the same object. Throws `changed`, `unsupported-file`, `limit` or `storage`, and then `close` is due. */
  next(): TreeEvent {
    if (this.#large !== undefined) return this.#piece();
    if (!this.#isBegun) {
      this.#isBegun = true;
      return this.#node(this.#root, "", "", kindOf(this.#root, this.#lstat(this.#root)), undefined);
    }
    const frame = this.#open.at(-1);
    const { event } = this;
    if (frame === undefined) {
      event.kind = "done";
      return event;
    }
    while (frame.next < frame.entries.length) {
      const { name, kind: listed, target } = frame.entries[frame.next++];
      const path = frame.path.endsWith("/") ? frame.path + name : `${frame.path}/${name}`;
      const relative = frame.relative === "" ? name : `${frame.relative}/${name}`;
      // Some file systems do not tell the kind when a directory is listed.
      const kind = listed ?? kindOf(path, this.#lstat(path));
      if (this.#options.filter?.(relative, kind) === false) continue;
      return this.#node(path, relative, name, kind, frame.isListed ? target : undefined);
    }
    this.#open.pop();
    const parent = this.#open.at(-1);
    if (parent !== undefined && !frame.isKnown) parent.isKnown = false;
    event.kind = "end";
    event.name = frame.name;
    event.path = frame.path;
    event.stats = frame.stats;
    event.isKnown = frame.isKnown;
    event.known = frame.isKnown ? frame.before?.node : undefined;
    return event;
  }

  /** Ends a walk that may not have come to its end. */
  close(): void {
    if (this.#large !== undefined) closeSync(this.#large.fd);
    this.#large = undefined;
  }

  #node(
    path: ByteString,
    relative: ByteString,
    name: ByteString,
    kind: Node["kind"],
    target: ByteString | undefined,
  ): TreeEvent {
    this.#met++;
    const { event } = this;
    event.name = name;
    event.isKnown = false;
    if (kind === "directory") return this.#directory(path, relative, name);
    if (kind === "file") return this.#knownFile(path, name) ?? this.#file(path);
    try {
      event.target = target ?? readlinkSync(hostPath(path), "latin1");
    } catch (thrown) {
      throw this.#failure(path, thrown);
    }
    event.kind = "symlink";
    return event;
  }

  #directory(path: ByteString, relative: ByteString, name: ByteString): TreeEvent {
    if (this.#open.length >= TREE_DEPTH_MAX) throw tooDeep();
    const { event } = this;
    const seenAtMs = Date.now();
    const before = this.#options.seen?.(path);
    const stats = this.#lstat(path);
    const isListed = before?.isListed(stats) === true;
    const entries = isListed ? before.entries : this.#list(path);
    this.#open.push({ name, path, relative, entries, stats, before, isListed, isKnown: isListed, next: 0 });
    event.kind = "directory";
    event.path = path;
    event.seenAtMs = seenAtMs;
    return event;
  }

  /** The order is that of a NAR, and a filter is called in it whatever the disk is like. */
  #list(path: ByteString): Listed[] {
    let found: Dirent[];
    try {
      found = readdirSync(hostPath(path), { withFileTypes: true, encoding: "latin1" });
    } catch (thrown) {
      throw this.#failure(path, thrown);
    }
    const entries = found.map((entry) => ({ name: entry.name, kind: listedKind(entry), target: "" }));
    return entries.length < 2 ? entries : entries.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** The file as it was at the last import, when it looks the same and its contents are there; nothing of it is read then. */
  #knownFile(path: ByteString, name: ByteString): TreeEvent | undefined {
    const before = this.#open.at(-1)?.before;
    if (before === undefined) return undefined;
    const stats = lstatSync(hostPath(path), { throwIfNoEntry: false });
    if (stats === undefined || !stats.isFile()) return undefined; // opening it says what is wrong
    const known = before.find(name, stats);
    if (known === undefined || this.#options.hasContents?.(known.key) !== true) return undefined;
    const { event } = this;
    event.kind = "file";
    event.isKnown = true;
    event.digest = known.digest;
    event.stats = stats;
    event.isExecutable = isExecutable(stats);
    event.bytes = NO_BYTES;
    return event;
  }

  #file(path: ByteString): TreeEvent {
    const { event } = this;
    const frame = this.#open.at(-1);
    if (frame !== undefined) frame.isKnown = false;
    const memory = this.#options.memory();
    let fd = -1;
    try {
      fd = openSync(hostPath(path), OPEN_FLAGS);
      // One byte more is asked for, to see the end; a regular file that gives less has no more.
      let length = readSync(fd, memory, 0, WHOLE_BYTES_MAX + 1, 0);
      let stats = fstatSync(fd);
      if (!stats.isFile()) throw unsupported(path, stats);
      if (length > WHOLE_BYTES_MAX) {
        this.#large = { fd, path, before: stats, done: 0 };
        fd = -1;
        event.kind = "large";
        event.bytes = NO_BYTES;
      } else {
        // Nobody changed it since the walk began when its times are older; else it is read again between two looks.
        if (Math.max(stats.mtimeMs, stats.ctimeMs) > this.#beganAtMs - RACY_MS) {
          const before = stats;
          length = readSync(fd, memory, 0, WHOLE_BYTES_MAX + 1, 0);
          stats = fstatSync(fd);
          if (isOther(before, stats)) throw changed(path);
        }
        if (length !== stats.size) throw changed(path);
        event.kind = "file";
        event.bytes = memory.subarray(0, length);
        event.digest = digestOf(event.bytes);
      }
      event.stats = stats;
      event.isExecutable = isExecutable(stats);
      return event;
    } catch (thrown) {
      const found = fd >= 0 && errnoOf(thrown) !== undefined ? fstatSync(fd) : undefined;
      throw found?.isFile() === false ? unsupported(path, found) : this.#failure(path, thrown);
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  }

  #piece(): TreeEvent {
    const { event } = this;
    const large = this.#large as LargeFile;
    const { fd, path, before } = large;
    const memory = this.#options.memory();
    try {
      const length = readSync(fd, memory, 0, PIECE_BYTES_MAX, large.done);
      large.done += length;
      if (large.done > before.size) throw changed(path);
      if (length > 0) {
        event.kind = "piece";
        event.bytes = memory.subarray(0, length);
        return event;
      }
      if (large.done !== before.size || isOther(before, fstatSync(fd))) throw changed(path);
    } catch (thrown) {
      throw this.#failure(path, thrown);
    }
    this.close();
    event.kind = "large-end";
    event.stats = before;
    event.isExecutable = isExecutable(before);
    event.bytes = NO_BYTES;
    return event;
  }

  #lstat(path: ByteString): Stats {
    try {
      return lstatSync(hostPath(path));
    } catch (thrown) {
      throw this.#failure(path, thrown);
    }
  }

  /** What a failed call on `path` means. */
  #failure(path: ByteString, thrown: unknown): unknown {
    const errno = errnoOf(thrown);
    if (errno === undefined || thrown instanceof CastoreError) return storageError(`importing ${textOf(path)}`, thrown);
    // The name was seen a moment ago, so it went away or became something else; the root itself may never have been there.
    if (errno === "ELOOP" || ((errno === "ENOENT" || errno === "ENOTDIR") && this.#met > 1)) return changed(path);
    return new CastoreError("storage", `importing ${textOf(path)} failed: ${storageProblem(thrown)}`, {
      cause: thrown,
    });
  }
}

/** undefined when the listing does not tell, or it is nothing a store can hold: a look at the file itself says which. */
function listedKind(entry: Dirent): Node["kind"] | undefined {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : undefined;
}

function kindOf(path: ByteString, found: Stats): Node["kind"] {
  if (found.isFile()) return "file";
  if (found.isDirectory()) return "directory";
  if (found.isSymbolicLink()) return "symlink";
  throw unsupported(path, found);
}

function isExecutable(stats: Stats): boolean {
  return (stats.mode & 0o100) !== 0;
}

function isOther(before: Stats, after: Stats): boolean {
  return before.size !== after.size || before.mtimeMs !== after.mtimeMs || before.ino !== after.ino;
}

function changed(path: ByteString): CastoreError {
  return new CastoreError("changed", `${textOf(path)} changed while it was imported`, {
    context: { path: textOf(path) },
    retryable: true,
  });
}

function unsupported(path: ByteString, found: Stats): CastoreError {
  const kind = found.isFIFO()
    ? "a FIFO"
    : found.isSocket()
      ? "a socket"
      : found.isBlockDevice() || found.isCharacterDevice()
        ? "a device"
        : found.isDirectory() || found.isSymbolicLink()
          ? "not the file it was"
          : "a file of unknown kind";
  return new CastoreError(
    "unsupported-file",
    `${textOf(path)} is ${kind}, a store can only hold files, directories and symlinks`,
    { context: { path: textOf(path) } },
  );
}
