/*
A tree of the host's disk taken into the local store: what a walk (tree-walk.ts) meets, stored. The row of events is broken now and then so that
timers and cancellation get their turn. Records are committed in batches; directories go last, children first.

An import begins in the calling thread. One that turns out large, and that nobody observes or filters, is begun again with a thread that
reads and hashes (tree-thread.ts); what was stored till then is found again.
*/

import { lstatSync } from "node:fs";
import { isAbsolute } from "node:path";
import { type ByteString, throwIfAborted } from "@firn/base";
import {
  CastoreError,
  checkTarget,
  type Digest,
  Directory,
  type DirectoryEntry,
  type DirectoryNode,
  type ImportOptions,
  type Node,
  type TreeImporter,
  type TreeObserver,
} from "@firn/castore";
import { NarObserver, type NarDigest } from "@firn/store";
import { BlobIngest } from "./blob-ingest.ts";
import { INLINE_BYTES_MAX, INLINE_HEAD } from "./blob-record.ts";
import { ChunkSession } from "./chunk-store.ts";
import { WriteBatch } from "./commits.ts";
import { bytePath, hostPath } from "./host-path.ts";
import type { LocalBlobParts } from "./local-blobs.ts";
import { keepDirectories } from "./local-directories.ts";
import { currentEpoch, epochAt, HEAD_BYTES } from "./record-head.ts";
import { SeenFiles, seenDirectory, statKey } from "./stat-cache.ts";
import { digestKey } from "./store-index.ts";
import { TreeThread } from "./tree-thread-host.ts";
import { PIECE_BYTES_MAX, type TreeEvent, TreeWalk } from "./tree-walk.ts";

/** Entries handled in a row before others get their turn. */
const ROW_ENTRIES = 128;
const ROW_BYTES = 8 * 1024 * 1024;
/** Bytes of new chunks after which they are flushed and recorded. */
const SESSION_BYTES_MAX = 256 * 1024 * 1024;
/** Directories held in memory before they are recorded. */
const DIRECTORIES_HELD_MAX = 4096;
/** Contents up to this long are written into the index: shorter than what says where in a pack they would be. */
const INDEXED_BYTES_MAX = 64;
/** A tree with more entries or bytes is read by a thread: starting that takes as long as reading so much. */
const ALONE_ENTRIES_MAX = 4000;
const ALONE_BYTES_MAX = 32 * 1024 * 1024;
const EMPTY_HEAD = new Uint8Array(HEAD_BYTES);

export type StatCacheUse = "none" | "write" | "read";

/** What gives events: a walk, or a thread in which one runs. */
export type TreeEvents = {
  /** The next event, good until the one after it is asked for. */
  next(): TreeEvent;
  /** After an event `later`: resolves when there may be another. */
  ready?(): Promise<void>;
  close(): void;
};

export type ImportedTree = { readonly node: Node; readonly nar: NarDigest | undefined };

export class DiskImporter implements TreeImporter {
  readonly #parts: LocalBlobParts;
  /** For what a walk reads, of an import that is over; imports of a few bytes would otherwise cost a collection. */
  #spare: Buffer | undefined;

  constructor(parts: LocalBlobParts) {
    this.#parts = parts;
  }

  async importTree(root: string, options: ImportOptions = {}): Promise<Node> {
    return (await this.importWith(root, options, "none", false)).node;
  }

  /** With `stats` the stat cache (stat-cache.ts) is written, or read as well: then observers see only what had to be read. With `withNar`, and all read, the hash of the tree's NAR too. */
  async importWith(root: string, options: ImportOptions, stats: StatCacheUse, withNar: boolean): Promise<ImportedTree> {
    const { index, leases } = this.#parts;
    leases.begin(options);
    if (!isAbsolute(root))
      throw new CastoreError("storage", `an import needs an absolute host path, got ${JSON.stringify(root)}`);
    const path = bytePath(root);
    const mayUseThread =
      stats !== "read" &&
      options.filter === undefined &&
      options.observer === undefined &&
      options.treeObserver === undefined;
    const run = new Import(this.#parts, options, stats);
    try {
      if (!mayUseThread || !isLargeFile(path)) {
        const nar = withNar ? new NarObserver() : undefined;
        const memory = this.#spare ?? Buffer.allocUnsafeSlow(PIECE_BYTES_MAX);
        this.#spare = undefined;
        const epoch = currentEpoch(index);
        const walk = new TreeWalk(path, {
          filter: options.filter,
          memory: () => memory,
          ...(stats === "read" && {
            seen: (directory: ByteString) => seenDirectory(index, directory),
            hasContents: (key: Buffer) => epochAt(index.blobs, key) === epoch || epochAt(index.chunks, key) === epoch,
          }),
        });
        const node = await run.take(walk, nar ?? options.treeObserver, mayUseThread);
        this.#spare = memory;
        if (node !== undefined) return { node, nar: nar?.finish() };
      }
      const thread = new TreeThread(path, withNar, options.signal);
      return { node: (await run.take(thread, undefined, false)) as Node, nar: thread.nar };
    } finally {
      await run.end();
    }
  }
}

function isLargeFile(path: ByteString): boolean {
  return (lstatSync(hostPath(path), { throwIfNoEntry: false })?.size ?? 0) > ALONE_BYTES_MAX;
}

type OpenDirectory = {
  readonly name: ByteString;
  readonly path: ByteString;
  readonly entries: DirectoryEntry[];
  readonly seen: SeenFiles | undefined;
};

class Import {
  readonly #parts: LocalBlobParts;
  readonly #options: ImportOptions;
  readonly #statCache: StatCacheUse;
  readonly #batch: WriteBatch;
  readonly #blobsTaken = new Set<Digest>();
  /** Children before parents. */
  readonly #directories = new Map<Digest, Directory>();
  readonly #session: ChunkSession;
  readonly #epoch: number;
  #open: OpenDirectory[] = [];
  #root: Node | undefined;
  #entries = 0;
  #files = 0;
  #bytes = 0;
  #rowEntries = 0;
  #rowBytes = 0;

  constructor(parts: LocalBlobParts, options: ImportOptions, stats: StatCacheUse) {
    this.#parts = parts;
    this.#options = options;
    this.#statCache = stats;
    this.#batch = new WriteBatch(parts.index, "importing a tree");
    this.#session = new ChunkSession(parts);
    this.#epoch = currentEpoch(parts.index);
  }

  /** Stores the tree. With `isTrial` undefined when it is large, and then it can be begun again. */
  async take(events: TreeEvents, tree: TreeObserver | undefined, isTrial: boolean): Promise<Node | undefined> {
    this.#open = [];
    this.#files = 0;
    this.#bytes = 0;
    try {
      for (let event = events.next(); event.kind !== "done"; event = events.next()) {
        if (event.kind === "later") await events.ready?.();
        else if (event.kind === "large") await this.#large(event, events, tree);
        else {
          const waiting = this.#one(event, tree);
          if (waiting !== undefined) await waiting;
        }
        if (isTrial && (this.#entries > ALONE_ENTRIES_MAX || this.#bytes > ALONE_BYTES_MAX)) return undefined;
        if (this.#rowEntries >= ROW_ENTRIES || this.#rowBytes >= ROW_BYTES) await this.#endRow();
      }
      await this.#commit();
    } finally {
      events.close();
    }
    this.#options.onProgress?.({ files: this.#files, bytes: this.#bytes });
    return this.#root;
  }

  end(): Promise<void> {
    return this.#session.settle();
  }

  /** Takes what is no large file; something to wait for where it could not be stored at once. */
  #one(event: TreeEvent, tree: TreeObserver | undefined): Promise<unknown> | undefined {
    const { kind, name } = event;
    if (kind === "end") {
      this.#endDirectory(event, tree);
      return undefined;
    }
    this.#entries++;
    this.#rowEntries++;
    if (this.#open.length > 0) tree?.entry(name);
    if (kind === "directory") {
      const seen = this.#statCache === "none" ? undefined : new SeenFiles(event.seenAtMs);
      this.#open.push({ name, path: event.path, entries: [], seen });
      tree?.startDirectory();
      return undefined;
    }
    if (kind === "symlink") {
      const { target } = event;
      checkTarget(target);
      this.#options.observer?.symlink(target);
      tree?.symlink(target);
      this.#open.at(-1)?.seen?.symlink(name, target);
      this.#put(name, { kind: "symlink", target });
      return undefined;
    }
    const { digest, bytes } = event;
    this.#file(event, digest);
    if (event.isKnown) return undefined;
    const { size } = event.stats;
    this.#options.observer?.file()(bytes);
    tree?.file(size, event.isExecutable)(bytes);
    return this.#small(digest, bytes);
  }

  #endDirectory({ name, path, stats, known }: TreeEvent, tree: TreeObserver | undefined): void {
    tree?.endDirectory();
    const { entries, seen } = this.#open.pop() as OpenDirectory;
    // A directory of this epoch holds all that is in it.
    const isHeld = known !== undefined && this.#isCurrent(known);
    const node = isHeld ? known : this.#directory(entries);
    if (seen !== undefined && known === undefined) {
      const record = seen.encode(stats, node, this.#options.filter === undefined);
      this.#batch.put(this.#parts.index.stats, statKey(path), EMPTY_HEAD, record);
    }
    this.#open.at(-1)?.seen?.directory(name);
    this.#put(name, node);
  }

  #isCurrent({ digest }: DirectoryNode): boolean {
    return epochAt(this.#parts.index.directories, digestKey(digest)) === this.#epoch;
  }

  #directory(entries: readonly DirectoryEntry[]): DirectoryNode {
    const directory = new Directory(entries);
    this.#directories.set(directory.digest, directory);
    return directory.node;
  }

  #file({ name, stats, isExecutable }: TreeEvent, digest: Digest): void {
    this.#files++;
    this.#bytes += stats.size;
    this.#rowBytes += stats.size;
    this.#open.at(-1)?.seen?.file(name, stats, digest);
    this.#put(name, { kind: "file", digest, size: stats.size, executable: isExecutable });
  }

  #put(name: ByteString, node: Node): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = node;
    else parent.entries.push({ name, node });
  }

  /** Stores contents of at most one chunk. */
  #small(digest: Digest, bytes: Uint8Array): Promise<unknown> | undefined {
    if (this.#blobsTaken.has(digest)) return undefined;
    this.#blobsTaken.add(digest);
    const key = digestKey(digest);
    const { blobs } = this.#parts.index;
    const epoch = bytes.length > INLINE_BYTES_MAX ? undefined : epochAt(blobs, key);
    if (bytes.length <= INDEXED_BYTES_MAX || epoch !== undefined) {
      if (epoch !== this.#epoch) this.#batch.put(blobs, key, INLINE_HEAD, bytes);
      return undefined;
    }
    return this.#session.take(bytes, digest);
  }

  async #large(start: TreeEvent, events: TreeEvents, tree: TreeObserver | undefined): Promise<void> {
    const { name } = start;
    const executable = start.isExecutable;
    const size = start.stats.size;
    this.#entries++;
    if (this.#open.length > 0) tree?.entry(name);
    const contents = this.#options.observer?.file();
    const shown = tree?.file(size, executable);
    const ingest = new BlobIngest(this.#session);
    for (;;) {
      const event = events.next();
      if (event.kind === "later") {
        await events.ready?.();
        continue;
      }
      if (event.kind === "large-end") {
        event.name = name;
        this.#file(event, (await ingest.finish()).digest);
        return;
      }
      const { bytes } = event;
      contents?.(bytes);
      shown?.(bytes);
      await ingest.write(bytes);
      this.#rowBytes += bytes.length;
      if (this.#rowBytes >= ROW_BYTES) await this.#endRow();
    }
  }

  async #endRow(): Promise<void> {
    this.#rowEntries = 0;
    this.#rowBytes = 0;
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
}
