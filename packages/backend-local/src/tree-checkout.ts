/*
Trees of the store as real files: files/<first two digits>/<digest>-<r|x> holds whole, verified files, trees/<digest> a directory
made of hard links to them. A tree is made in staging and renamed, so what is under its name is complete; two processes making the same one end with either's.

Nothing here is flushed, it can all be made again. After a crash of the machine a tree may be damaged, so a tree that was not made or
checked since the machine started is checked, contents included, when it is asked for, and made anew when it is not right.
*/

import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type ByteString, throwIfAborted } from "@firn/base";
import {
  type CallOptions,
  CastoreError,
  ChunkedReader,
  type Digest,
  type Directory,
  type DirectoryNode,
  type ExposedTrees,
  type FileNode,
  type Node,
  type SymlinkNode,
  tooDeep,
  TREE_DEPTH_MAX,
  type TreeExposer,
} from "@firn/castore";
import { type CheckoutSpace, checkoutName, fileName } from "./checkout-space.ts";
import type { BlobRecord } from "./blob-record.ts";
import { type LocalBlobParts, readBlobRecord } from "./local-blobs.ts";
import { errnoOf, storageError } from "./error.ts";
import { hashFile } from "./file-hash.ts";
import { bytePath, hostPath } from "./host-path.ts";
import { readDirectory } from "./local-directories.ts";
import { bootOf } from "./process-identity.ts";
import { moveAside, removeTree } from "./staging.ts";
import { digestKey, textKey } from "./store-index.ts";

const ROW_ENTRIES = 64;
const MTIME = 1;
const DIRECTORY_MODE = 0o555;
const ATTEMPTS_MAX = 4;

export class TreeCheckout implements TreeExposer {
  readonly #parts: LocalBlobParts;
  readonly #space: CheckoutSpace;
  /** Files made or checked by this process: `<digest>-<r|x>` to where they are. */
  readonly #goodFiles = new Map<string, string>();
  /** Trees being made, so that two calls for one tree share the work. */
  readonly #underWay = new Map<string, Promise<string>>();
  #rowEntries = 0;
  /** Of files made since that was last told. */
  #madeBytes = 0;

  constructor(parts: LocalBlobParts, space: CheckoutSpace) {
    this.#parts = parts;
    this.#space = space;
  }

  async expose(nodes: readonly Node[], options?: CallOptions): Promise<ExposedTrees> {
    this.#parts.leases.begin(options);
    const unpin = this.#space.pins.pin(nodes.map(checkoutName));
    const release = async () => {
      unpin();
      const made = this.#madeBytes;
      this.#madeBytes = 0;
      // What cannot be removed now is removed by a later one, or when garbage is collected.
      if (made > 0) await this.#space.grew(made).catch(() => undefined);
    };
    try {
      const hostPaths: string[] = [];
      for (const node of nodes) hostPaths.push(await this.#show(node, options?.signal));
      return { hostPaths, release, [Symbol.asyncDispose]: release };
    } catch (thrown) {
      await release();
      if (options?.signal?.aborted) throw options.signal.reason;
      throw storageError("showing a tree of the store", thrown);
    }
  }

  async #show(node: Node, signal: AbortSignal | undefined): Promise<string> {
    throwIfAborted(signal);
    if (node.kind === "symlink") return this.#symlink(node);
    const path = await (node.kind === "directory" ? this.#directory(node, signal) : this.#file(node, signal));
    utimesSync(path, MTIME, MTIME); // moves the ctime: it was shown now
    return path;
  }

  async #directory(node: DirectoryNode, signal: AbortSignal | undefined): Promise<string> {
    const running = this.#underWay.get(node.digest);
    // One whose caller gave up is made again for this one.
    if (running !== undefined) return running.catch(() => this.#directory(node, signal));
    const making = this.#makeDirectory(node.digest, signal).finally(() => this.#underWay.delete(node.digest));
    this.#underWay.set(node.digest, making);
    return making;
  }

  async #makeDirectory(digest: Digest, signal: AbortSignal | undefined): Promise<string> {
    const path = this.#space.placeOf(digest);
    const { index, staging } = this.#parts;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (isThere(path)) {
        const checkedIn = index.trees.getBinary(digestKey(digest));
        if (checkedIn !== undefined && Buffer.from(checkedIn).toString("latin1") === bootOf()) return path;
        if (await this.#isRight(bytePath(path), this.#need(digest), 1, signal)) return this.#finish(path, digest);
        const aside = staging.newPath();
        if (moveAside(path, aside)) removeTree(bytePath(aside));
      }
      const made = staging.newPath();
      try {
        await this.#build(bytePath(made), this.#need(digest), 1, signal);
        renameSync(made, path);
        return await this.#finish(path, digest);
      } catch (thrown) {
        removeTree(bytePath(made));
        if (!["EEXIST", "ENOTEMPTY"].includes(errnoOf(thrown) ?? "")) throw thrown;
        // Another process was first: look at what it made.
      }
    }
    throw new CastoreError("storage", `the tree ${digest} cannot be put in its place at ${path}`);
  }

  /** The root of a tree is closed last: a directory that may not be written to cannot be renamed by everyone. */
  async #finish(path: string, digest: Digest): Promise<string> {
    utimesSync(path, MTIME, MTIME);
    chmodSync(path, DIRECTORY_MODE);
    await this.#parts.commits.put(this.#parts.index.trees, digestKey(digest), textKey(bootOf()));
    return path;
  }

  #need(digest: Digest): Directory {
    const directory = readDirectory(this.#parts.index, digest);
    if (directory === undefined)
      throw new CastoreError("missing", `directory ${digest} is not stored`, { context: { digest } });
    return directory;
  }

  async #build(path: ByteString, directory: Directory, depth: number, signal: AbortSignal | undefined): Promise<void> {
    if (depth > TREE_DEPTH_MAX) throw tooDeep();
    const here = hostPath(path);
    mkdirSync(here, 0o700);
    for (const { name, node } of directory.entries) {
      const childPath = `${path}/${name}`;
      if (node.kind === "directory") await this.#build(childPath, this.#need(node.digest), depth + 1, signal);
      else if (node.kind === "symlink") makeSymlink(node.target, childPath);
      else await this.#link(node, hostPath(childPath), signal);
      if (++this.#rowEntries >= ROW_ENTRIES) await this.#endRow(signal);
    }
    utimesSync(here, MTIME, MTIME);
    if (depth > 1) chmodSync(here, DIRECTORY_MODE);
  }

  /** A file that no tree links to yet may be taken by who makes space. */
  async #link(node: FileNode, to: string | Buffer, signal: AbortSignal | undefined): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return linkOrCopy(await this.#file(node, signal), to, node.executable);
      } catch (thrown) {
        if (errnoOf(thrown) !== "ENOENT" || attempt === ATTEMPTS_MAX) throw thrown;
      }
    }
  }

  async #endRow(signal: AbortSignal | undefined): Promise<void> {
    this.#rowEntries = 0;
    await new Promise(setImmediate);
    throwIfAborted(signal);
  }

  /** A whole file with these contents, right mode and mtime. */
  async #file({ digest, size, executable }: FileNode, signal: AbortSignal | undefined): Promise<string> {
    const name = fileName(digest, executable);
    const known = this.#goodFiles.get(name);
    if (known !== undefined && isThere(known)) return known; // garbage is collected by other processes, too
    const record = readBlobRecord(this.#parts.index, this.#parts.chunks, digest);
    if (record === undefined)
      throw new CastoreError("missing", `blob ${digest} is not stored`, { context: { digest } });
    const storedSize = record.kind === "inline" ? record.bytes.length : record.size;
    if (storedSize !== size) {
      throw new CastoreError("corrupt", `blob ${digest} has ${storedSize} bytes, the tree says ${size}`, {
        context: { digest },
      });
    }
    const path = this.#space.placeOf(name);
    if (!isThere(path) || !(await isRightFile(path, digest, size, executable, signal)))
      await this.#makeFile(path, record, executable, signal);
    this.#goodFiles.set(name, path);
    return path;
  }

  /** Chunks are verified as they are read; that together they are the blob is what the record said when it was put. */
  async #makeFile(
    path: string,
    record: BlobRecord,
    executable: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const staged = this.#parts.staging.newPath();
    try {
      const fd = openSync(staged, "wx", 0o600);
      try {
        if (record.kind === "inline") writeAll(fd, record.bytes);
        else {
          const { chunks } = this.#parts;
          for await (const bytes of new ChunkedReader(
            record.chunks,
            ({ digest }) => chunks.read(digest),
            signal,
          ).stream())
            writeAll(fd, bytes);
        }
        fchmodSync(fd, modeOf(executable));
        futimesSync(fd, MTIME, MTIME);
      } finally {
        closeSync(fd);
      }
      try {
        renameSync(staged, path);
      } catch (thrown) {
        if (errnoOf(thrown) !== "ENOENT") throw thrown;
        mkdirSync(join(path, ".."), { recursive: true });
        renameSync(staged, path);
      }
      this.#madeBytes += record.kind === "inline" ? record.bytes.length : record.size;
    } catch (thrown) {
      rmSync(staged, { force: true });
      throw thrown;
    }
  }

  #symlink(node: SymlinkNode): string {
    const path = this.#space.placeOf(checkoutName(node));
    if (!isThere(path)) {
      const staged = this.#parts.staging.newPath();
      makeSymlink(node.target, staged);
      renameSync(staged, path);
    }
    lutimesSync(path, MTIME, MTIME); // as above
    return path;
  }

  /** Whether a tree is exactly what it should be, contents included. The root's own mode and mtime are not looked at. */
  async #isRight(
    path: ByteString,
    directory: Directory,
    depth: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const here = hostPath(path);
    const found = lstatSync(here);
    if (!found.isDirectory()) return false;
    if (depth > 1 && ((found.mode & 0o7777) !== DIRECTORY_MODE || found.mtimeMs !== MTIME * 1000)) return false;
    const names = new Set(readdirSync(here, { encoding: "buffer" }).map((name) => name.toString("latin1")));
    if (names.size !== directory.entries.length) return false;
    for (const { name, node } of directory.entries) {
      if (!names.has(name)) return false;
      if (!(await this.#isRightNode(`${path}/${name}`, node, depth, signal))) return false;
      if (++this.#rowEntries >= ROW_ENTRIES) await this.#endRow(signal);
    }
    return true;
  }

  async #isRightNode(path: ByteString, node: Node, depth: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (node.kind === "directory") return this.#isRight(path, this.#need(node.digest), depth + 1, signal);
    if (node.kind === "file") return isRightFile(hostPath(path), node.digest, node.size, node.executable, signal);
    const here = hostPath(path);
    return (
      lstatSync(here).isSymbolicLink() && readlinkSync(here, { encoding: "buffer" }).toString("latin1") === node.target
    );
  }
}

function modeOf(executable: boolean): number {
  return executable ? 0o555 : 0o444;
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

async function isRightFile(
  path: string | Buffer,
  digest: Digest,
  size: number,
  executable: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true || found.size !== size || found.mtimeMs !== MTIME * 1000) return false;
  return (found.mode & 0o7777) === modeOf(executable) && (await hashFile(path, signal)) === digest;
}

function makeSymlink(target: ByteString, path: ByteString): void {
  symlinkSync(hostPath(target), hostPath(path));
  lutimesSync(hostPath(path), MTIME, MTIME);
}

/** File systems bound the links of one file; a popular one is copied then. */
function linkOrCopy(from: string, to: string | Buffer, executable: boolean): void {
  try {
    linkWhileReplaced(from, to);
  } catch (thrown) {
    if (errnoOf(thrown) !== "EMLINK") throw thrown;
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    chmodSync(to, modeOf(executable));
    utimesSync(to, MTIME, MTIME);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** Another process may put the same file in its place between the lookup of the name and the link, which then fails as if it were gone. */
function linkWhileReplaced(from: string, to: string | Buffer): void {
  for (let attempt = 1; ; attempt++) {
    try {
      linkSync(from, to);
      return;
    } catch (thrown) {
      if (errnoOf(thrown) !== "ENOENT" || attempt === ATTEMPTS_MAX || !isThere(from)) throw thrown;
    }
  }
}
