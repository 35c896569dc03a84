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
import { currentEpoch, epochAt } from "./record-head.ts";
import { digestKey } from "./store-index.ts";

/** Entries handled in a row before others get their turn. */
const ROW_ENTRIES = 128;
const LARGE_READ_BYTES = 256 * 1024;
const LARGE_ROW_BYTES = 8 * 1024 * 1024;
/** Bytes of new chunks after which they are flushed and recorded. */
const SESSION_BYTES_MAX = 256 * 1024 * 1024;
// A FIFO put in the place of a file must not make opening wait for a writer.
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class DiskImporter implements TreeImporter {
  readonly #parts: LocalBlobParts;

  constructor(parts: LocalBlobParts) {
    this.#parts = parts;
  }

  async importTree(root: string, options: ImportOptions = {}): Promise<Node> {
    throwIfAborted(options.signal);
    this.#parts.leases.check(options);
    if (!isAbsolute(root))
      throw new CastoreError("storage", `an import needs an absolute host path, got ${JSON.stringify(root)}`);
    return new Import(this.#parts, options).run(bytePath(root));
  }
}

class Import {
  readonly #parts: LocalBlobParts;
  readonly #options: ImportOptions;
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

  constructor(parts: LocalBlobParts, options: ImportOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#batch = new WriteBatch(parts.index, "importing a tree");
    this.#session = new ChunkSession(parts);
    this.#epoch = currentEpoch(parts.index);
  }

  async run(root: ByteString): Promise<Node> {
    try {
      const node = await this.#root(root);
      await this.#session.commit();
      this.#batch.commit();
      throwIfAborted(this.#options.signal);
      keepDirectories(this.#parts.index, this.#directories.values());
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
    for (const { name, entry } of children) {
      const childPath = path.endsWith("/") ? path + name : `${path}/${name}`;
      const childRelative = relative === "" ? name : `${relative}/${name}`;
      const kind = this.#kindOf(childPath, entry);
      if (this.#options.filter?.(childRelative, kind) === false) continue;
      let node: Node;
      if (kind === "directory") node = await this.#directory(childPath, childRelative, depth + 1);
      else if (kind === "symlink") node = this.#symlink(childPath);
      else node = await this.#file(childPath);
      entries.push({ name, node });
      if (++this.#rowEntries >= ROW_ENTRIES) await this.#endRow();
    }
    const directory = new Directory(entries);
    this.#directories.set(directory.digest, directory);
    return directory.node;
  }

  async #endRow(): Promise<void> {
    this.#rowEntries = 0;
    this.#options.onProgress?.({ files: this.#files, bytes: this.#bytes });
    await new Promise(setImmediate);
    throwIfAborted(this.#options.signal);
    if (this.#session.appendedBytes > SESSION_BYTES_MAX) await this.#session.commit();
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
    return { kind: "symlink", target };
  }

  async #file(path: ByteString): Promise<Node> {
    let fd = -1;
    try {
      fd = openSync(hostPath(path), OPEN_FLAGS);
      const before = fstatSync(fd);
      if (!before.isFile()) throw unsupported(path, before);
      const digest =
        before.size <= CHUNK_BYTES_MIN
          ? this.#small(this.#readWhole(fd, before, path))
          : await this.#large(fd, before, path);
      return this.#fileNode(before, typeof digest === "string" ? digest : await digest, before.size);
    } catch (thrown) {
      throw this.#failure(path, thrown);
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  }

  /** The contents of a file of at most one chunk: a view of the one buffer. */
  #readWhole(fd: number, before: Stats, path: ByteString): Uint8Array {
    const buffer = this.#buffer;
    let length = 0;
    // One byte more is asked for, to see the end.
    for (let count = 1; count > 0 && length <= before.size; length += count) {
      count = readSync(fd, buffer, length, before.size + 1 - length, null);
    }
    const bytes = buffer.subarray(0, length);
    this.#options.observer?.file()(bytes);
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

  async #large(fd: number, before: Stats, path: ByteString): Promise<Digest> {
    const observe = this.#options.observer?.file();
    const ingest = new BlobIngest(this.#session);
    let length = 0;
    for (let row = 0; ; ) {
      const count = readSync(fd, this.#buffer, 0, LARGE_READ_BYTES, null);
      if (count === 0) break;
      const bytes = this.#buffer.subarray(0, count);
      observe?.(bytes);
      await ingest.write(bytes);
      length += count;
      row += count;
      if (length > before.size) throw changed(path);
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
    return { kind: "file", digest, size, executable: (stats.mode & 0o100) !== 0 };
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
