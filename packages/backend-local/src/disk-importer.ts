/*
A tree of the host's disk taken into the local store. A tree is mostly small files, and for those an asynchronous call costs more
than the disk: they are opened, read and hashed in a row, and the row is broken now and then so that timers and
cancellation get their turn. Records are committed in batches; directories go last, children first.

A file is never followed through a symlink at its name, and a file whose length or mtime are others after reading than before is
reported as `changed`. Hard links are files like any other.
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
import { isAbsolute } from "node:path";
import { type ByteString, textOf, throwIfAborted } from "@firn/base";
import {
  CastoreError,
  checkTarget,
  type Digest,
  Directory,
  type DirectoryEntry,
  digestOf,
  type ImportOptions,
  type Node,
  tooDeep,
  TREE_DEPTH_MAX,
  type TreeImporter,
  type TreeObserver,
} from "@firn/castore";
import { CHUNK_BYTES_MIN } from "@firn/hash";
import { BlobIngest } from "./blob-ingest.ts";
import { INLINE_BYTES_MAX, INLINE_HEAD } from "./blob-record.ts";
import { ChunkSession } from "./chunk-store.ts";
import { WriteBatch } from "./commits.ts";
import { errnoOf, storageError, storageProblem } from "./error.ts";
import { bytePath, hostPath } from "./host-path.ts";
import type { LocalBlobParts } from "./local-blobs.ts";
import { keepDirectories } from "./local-directories.ts";
import { currentEpoch, epochAt, HEAD_BYTES } from "./record-head.ts";
import { type SeenDirectory, SeenFiles, seenDirectory, statKey } from "./stat-cache.ts";
import { digestKey } from "./store-index.ts";

/** Entries handled in a row before others get their turn. */
const ROW_ENTRIES = 128;
const LARGE_READ_BYTES = 256 * 1024;
const LARGE_ROW_BYTES = 8 * 1024 * 1024;
/** Bytes of new chunks after which they are flushed and recorded. */
const SESSION_BYTES_MAX = 256 * 1024 * 1024;
// A FIFO put in the place of a file must not make opening wait for a writer.
/** Directories held in memory before they are recorded. */
const DIRECTORIES_HELD_MAX = 4096;
const EMPTY_HEAD = new Uint8Array(HEAD_BYTES);
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

type Observe = ((bytes: Uint8Array) => void) | undefined;

export type StatCacheUse = "none" | "write" | "read";

export class DiskImporter implements TreeImporter {
  readonly #parts: LocalBlobParts;

  constructor(parts: LocalBlobParts) {
    this.#parts = parts;
  }

  /** With `stats` the stat cache (stat-cache.ts) is written, or read as well: then observers see only what had to be read. */
  async importTree(root: string, options: ImportOptions = {}, stats: StatCacheUse = "none"): Promise<Node> {
    throwIfAborted(options.signal);
    this.#parts.leases.check(options);
    if (!isAbsolute(root))
      throw new CastoreError("storage", `an import needs an absolute host path, got ${JSON.stringify(root)}`);
    return new Import(this.#parts, options, stats).run(bytePath(root));
  }
}

class Import {
  readonly #parts: LocalBlobParts;
  readonly #options: ImportOptions;
  readonly #tree: TreeObserver | undefined;
  readonly #statCache: StatCacheUse;
  /** What the file read last looked like, for the stat cache. */
  #lastStats: Stats | undefined;
  readonly #batch: WriteBatch;
  readonly #buffer = Buffer.allocUnsafeSlow(LARGE_READ_BYTES);
  readonly #blobsTaken = new Set<Digest>();
  /** Children before parents. */
  readonly #directories = new Map<Digest, Directory>();
  readonly #session: ChunkSession;
  readonly #epoch: number;
  #files = 0;
  #bytes = 0;
  #rowEntries = 0;

  constructor(parts: LocalBlobParts, options: ImportOptions, stats: StatCacheUse) {
    this.#parts = parts;
    this.#options = options;
    this.#tree = options.treeObserver;
    this.#statCache = stats;
    this.#batch = new WriteBatch(parts.index, "importing a tree");
    this.#session = new ChunkSession(parts);
    this.#epoch = currentEpoch(parts.index);
  }

  async run(root: ByteString): Promise<Node> {
    try {
      const node = await this.#root(root);
      await this.#commit();
      this.#options.onProgress?.({ files: this.#files, bytes: this.#bytes });
      return node;
    } finally {
      await this.#session.settle();
    }
  }

  async #root(path: ByteString): Promise<Node> {
    let stats: Stats;
    try {
      stats = lstatSync(hostPath(path));
    } catch (thrown) {
      throw this.#failure(path, thrown);
    }
    if (stats.isDirectory()) return this.#directory(path, "", 1);
    if (stats.isSymbolicLink()) return this.#symlink(path);
    if (!stats.isFile()) throw unsupported(path, stats);
    return this.#file(path);
  }

  async #directory(path: ByteString, relative: ByteString, depth: number): Promise<Node> {
    if (depth > TREE_DEPTH_MAX) throw tooDeep();
    let found: Dirent<Buffer>[];
    try {
      found = readdirSync(hostPath(path), { withFileTypes: true, encoding: "buffer" });
    } catch (thrown) {
      throw this.#failure(path, thrown);
    }
    const children = found.map((entry) => ({ name: entry.name.toString("latin1"), entry }));
    // The order a filter is called in must not depend on the disk.
    children.sort((left, right) => (left.name < right.name ? -1 : 1));
    const entries: DirectoryEntry[] = [];
    this.#tree?.startDirectory();
    const key = this.#statCache === "none" ? undefined : statKey(path);
    const before = this.#statCache === "read" && key !== undefined ? seenDirectory(this.#parts.index, key) : undefined;
    const seen = new SeenFiles();
    const seenAtMs = Date.now();
    let isChanged = false;
    for (const { name, entry } of children) {
      const childPath = path.endsWith("/") ? path + name : `${path}/${name}`;
      const childRelative = relative === "" ? name : `${relative}/${name}`;
      const kind = this.#kindOf(childPath, entry);
      if (this.#options.filter?.(childRelative, kind) === false) continue;
      this.#tree?.entry(name);
      let node: Node;
      if (kind === "directory") node = await this.#directory(childPath, childRelative, depth + 1);
      else if (kind === "symlink") node = this.#symlink(childPath);
      else {
        const known = before && this.#knownFile(childPath, name, before);
        if (known === undefined) isChanged = true;
        node = known ?? (await this.#file(childPath));
        if (key !== undefined && node.kind === "file" && this.#lastStats !== undefined)
          seen.add(name, this.#lastStats, node.digest, seenAtMs);
      }
      entries.push({ name, node });
      if (++this.#rowEntries >= ROW_ENTRIES) await this.#endRow();
    }
    this.#tree?.endDirectory();
    if (key !== undefined && (isChanged || before === undefined))
      this.#batch.put(this.#parts.index.stats, key, EMPTY_HEAD, seen.encode());
    const directory = new Directory(entries);
    this.#directories.set(directory.digest, directory);
    return directory.node;
  }

  async #endRow(): Promise<void> {
    this.#rowEntries = 0;
    this.#options.onProgress?.({ files: this.#files, bytes: this.#bytes });
    await new Promise(setImmediate);
    throwIfAborted(this.#options.signal);
    if (this.#directories.size > DIRECTORIES_HELD_MAX) await this.#commit();
    else if (this.#session.appendedBytes > SESSION_BYTES_MAX) await this.#session.commit();
  }

  /** What was taken so far, contents before the directories that name them. */
  async #commit(): Promise<void> {
    await this.#session.commit();
    this.#batch.commit();
    throwIfAborted(this.#options.signal);
    keepDirectories(this.#parts.index, this.#directories.values());
    this.#directories.clear();
  }

  #kindOf(path: ByteString, entry: Dirent<Buffer> | Stats): Node["kind"] {
    if (entry.isFile()) return "file";
    if (entry.isDirectory()) return "directory";
    if (entry.isSymbolicLink()) return "symlink";
    const isSpecial = entry.isFIFO() || entry.isSocket() || entry.isBlockDevice() || entry.isCharacterDevice();
    if (isSpecial || !("parentPath" in entry)) throw unsupported(path, entry);
    // Some file systems do not tell the kind when a directory is listed.
    try {
      return this.#kindOf(path, lstatSync(hostPath(path)));
    } catch (thrown) {
      throw this.#failure(path, thrown);
    }
  }

  #symlink(path: ByteString): Node {
    let target: ByteString;
    try {
      target = readlinkSync(hostPath(path), { encoding: "buffer" }).toString("latin1");
    } catch (thrown) {
      throw this.#failure(path, thrown);
    }
    checkTarget(target);
    this.#options.observer?.symlink(target);
    this.#tree?.symlink(target);
    return { kind: "symlink", target };
  }

  /** The file as it was at the last import, when it looks the same and its blob is there; nothing of it is read then. */
  #knownFile(path: ByteString, name: ByteString, before: SeenDirectory): Node | undefined {
    const stats = lstatSync(hostPath(path), { throwIfNoEntry: false });
    if (stats === undefined || !stats.isFile()) return undefined; // opening it says what is wrong
    const known = before.find(name, stats);
    if (known === undefined || epochAt(this.#parts.index.blobs, known.key) !== this.#epoch) return undefined;
    this.#lastStats = stats;
    return this.#fileNode(stats, known.digest, stats.size);
  }

  async #file(path: ByteString): Promise<Node> {
    let fd = -1;
    try {
      fd = openSync(hostPath(path), OPEN_FLAGS);
      const before = fstatSync(fd);
      if (!before.isFile()) throw unsupported(path, before);
      this.#lastStats = before;
      const observe = this.#observe(before);
      const digest =
        before.size <= CHUNK_BYTES_MIN
          ? this.#small(this.#readWhole(fd, before, path, observe))
          : await this.#large(fd, before, path, observe);
      return this.#fileNode(before, typeof digest === "string" ? digest : await digest, before.size);
    } catch (thrown) {
      throw this.#failure(path, thrown);
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  }

  /** What is to see the bytes of a file. */
  #observe(stats: Stats): Observe {
    const contents = this.#options.observer?.file();
    const tree = this.#tree?.file(stats.size, isExecutable(stats));
    if (contents === undefined || tree === undefined) return contents ?? tree;
    return (bytes) => {
      contents(bytes);
      tree(bytes);
    };
  }

  /** The contents of a file of at most one chunk: a view of the one buffer. */
  #readWhole(fd: number, before: Stats, path: ByteString, observe: Observe): Uint8Array {
    // One byte more is asked for, to see the end; a regular file that gives less has no more.
    const length = readSync(fd, this.#buffer, 0, before.size + 1, null);
    if (length !== before.size) throw changed(path);
    const bytes = this.#buffer.subarray(0, length);
    observe?.(bytes);
    if (length !== before.size || isOther(before, fstatSync(fd))) throw changed(path);
    return bytes;
  }

  /** Stores contents that go into the index, or are one chunk. */
  #small(bytes: Uint8Array): Digest | Promise<Digest> {
    if (bytes.length > INLINE_BYTES_MAX) return this.#session.wholeBlob(bytes);
    const digest = digestOf(bytes);
    if (!this.#blobsTaken.has(digest)) {
      this.#blobsTaken.add(digest);
      const key = digestKey(digest);
      const { blobs } = this.#parts.index;
      if (epochAt(blobs, key) !== this.#epoch) this.#batch.put(blobs, key, INLINE_HEAD, bytes);
    }
    return digest;
  }

  async #large(fd: number, before: Stats, path: ByteString, observe: Observe): Promise<Digest> {
    const ingest = new BlobIngest(this.#session);
    let length = 0;
    for (let row = 0; ; ) {
      const count = readSync(fd, this.#buffer, 0, LARGE_READ_BYTES, null);
      if (count === 0) break;
      if (length + count > before.size) throw changed(path);
      const bytes = this.#buffer.subarray(0, count);
      observe?.(bytes);
      await ingest.write(bytes);
      length += count;
      row += count;
      if (row < LARGE_ROW_BYTES) continue;
      row = 0;
      await this.#endRow();
    }
    if (length !== before.size || isOther(before, fstatSync(fd))) throw changed(path);
    return (await ingest.finish()).digest;
  }

  #fileNode(stats: Stats, digest: Digest, size: number): Node {
    this.#files++;
    this.#bytes += size;
    return { kind: "file", digest, size, executable: isExecutable(stats) };
  }

  /** What a failed call on `path` means. */
  #failure(path: ByteString, thrown: unknown): unknown {
    const signal = this.#options.signal;
    if (signal?.aborted && thrown === signal.reason) return thrown;
    const errno = errnoOf(thrown);
    if (errno === undefined || thrown instanceof CastoreError) return storageError(`importing ${textOf(path)}`, thrown);
    // The name was seen a moment ago, so it went away or became a symlink; the root itself may never have been there.
    if (errno === "ELOOP" || (errno === "ENOENT" && this.#files > 0)) return changed(path);
    return new CastoreError("storage", `importing ${textOf(path)} failed: ${storageProblem(thrown)}`, {
      cause: thrown,
    });
  }
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

function unsupported(path: ByteString, found: Dirent<Buffer> | Stats): CastoreError {
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
    {
      context: { path: textOf(path) },
    },
  );
}
