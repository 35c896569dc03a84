/*
Writes paths with all they need as static files into a directory, for any web server. What is there is left as it is, so publishing again writes what is new; files
appear whole, and a path's own file last, so what was stopped at any moment is a smaller store and never a broken one.
*/

import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ByteStream, mapConcurrently, streamOf, throwIfAborted } from "@firn/base";
import {
  type ChunkMeta,
  type Digest,
  type Directory,
  encodeTree,
  type Node,
  outboardOf,
  printChunkList,
  STATIC_WHOLE_BYTES_MAX,
  staticName,
} from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import {
  closureOf,
  encodePathInfo,
  parseStaticIndex,
  type PathInfo,
  printStaticIndex,
  STATIC_INDEX,
  StoreError,
  type StoreServices,
  staticPathName,
} from "@firn/store";

const FILES_AHEAD = 16;
const SCRATCH = ".new";

export type PublishOptions = {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PublishProgress) => void;
};

export type PublishProgress = {
  readonly paths: number;
  readonly pathsTotal: number;
  readonly files: number;
  readonly bytes: number;
};
export type PublishResult = PublishProgress & { readonly published: readonly StorePath[] };

/** Publishes the closure of `roots`. Throws `missing` when the store lacks a part. */
export async function publishStatic(
  roots: readonly StorePath[],
  from: StoreServices,
  hostDir: string,
  options: PublishOptions = {},
): Promise<PublishResult> {
  const { signal, onProgress } = options;
  const files = new NewFiles(hostDir);
  const isThere = (path: StorePath) => files.has(staticPathName(path.hashPart));
  const infos = await closureOf(roots, from.pathInfos, { signal, skip: isThere });
  let paths = 0;
  const progress = () => ({ paths, pathsTotal: infos.length, files: files.written, bytes: files.bytes });
  try {
    for (const info of infos) {
      throwIfAborted(signal);
      await publishTree(info.node, from, files, signal);
      await files.write(staticPathName(info.path.hashPart), streamOf(encodePathInfo(info)));
      paths++;
      onProgress?.(progress());
    }
    await publishIndex(infos, files);
  } finally {
    await files.end();
  }
  return { ...progress(), published: infos.map(({ path }) => path) };
}

async function publishIndex(infos: readonly PathInfo[], files: NewFiles): Promise<void> {
  const before = await files.read(STATIC_INDEX);
  const paths = new Map<string, StorePath>();
  for (const path of before === undefined ? [] : parseStaticIndex(before)) paths.set(path.toString(), path);
  for (const { path } of infos) paths.set(path.toString(), path);
  await files.replace(STATIC_INDEX, streamOf(Buffer.from(printStaticIndex(paths.values()))));
}

async function publishTree(node: Node, from: StoreServices, files: NewFiles, signal?: AbortSignal): Promise<void> {
  if (node.kind === "symlink") return;
  if (node.kind === "file") return publishBlob(node.digest, from, files, signal);
  const tree = staticName("trees", node.digest);
  if (await files.has(tree)) return;
  const directories: Directory[] = [];
  const blobs = new Set<Digest>();
  for await (const directory of from.directories.getRecursive(node.digest, { signal })) {
    directories.push(directory);
    for (const { node: child } of directory.entries) if (child.kind === "file") blobs.add(child.digest);
  }
  if (directories.length === 0) throw missing("directory", node.digest);
  await mapConcurrently(blobs, FILES_AHEAD, (digest, inner) => publishBlob(digest, from, files, inner), signal);
  const write = async (directory: Directory) =>
    files.write(staticName("directories", directory.digest), streamOf(directory.encoded));
  await mapConcurrently(directories, FILES_AHEAD, write, signal);
  await files.write(tree, encodeTree(each(directories)));
}

/** A longer blob as the chunks that the store knows of it, any other one as one file. */
async function publishBlob(digest: Digest, from: StoreServices, files: NewFiles, signal?: AbortSignal): Promise<void> {
  const list = staticName("lists", digest);
  if ((await files.has(staticName("blobs", digest))) || (await files.has(list))) return;
  const chunks = await from.blobs.chunks(digest, { signal });
  if (chunks === undefined) throw missing("blob", digest);
  const size = chunks.reduce((sum, chunk) => sum + chunk.size, 0);
  if (chunks.length <= 1 || size <= STATIC_WHOLE_BYTES_MAX) return publishWhole(digest, from, files, signal);
  const publishChunk = (chunk: ChunkMeta, inner: AbortSignal) => publishWhole(chunk.digest, from, files, inner);
  await mapConcurrently(chunks, FILES_AHEAD, publishChunk, signal);
  await publishOutboard(digest, from, files, signal);
  // Last, since it is what is looked for.
  await files.write(list, streamOf(Buffer.from(printChunkList(chunks))));
}

async function publishWhole(digest: Digest, from: StoreServices, files: NewFiles, signal?: AbortSignal): Promise<void> {
  const name = staticName("blobs", digest);
  if (await files.has(name)) return;
  await using reader = await from.blobs.openRead(digest, { signal });
  if (reader === undefined) throw missing("blob", digest);
  if (reader.size > STATIC_WHOLE_BYTES_MAX) await publishOutboard(digest, from, files, signal);
  await files.write(name, reader.stream());
}

async function publishOutboard(
  digest: Digest,
  { blobs }: StoreServices,
  files: NewFiles,
  signal?: AbortSignal,
): Promise<void> {
  const outboard = await outboardOf(blobs, digest, { signal });
  if (outboard === undefined) throw missing("blob", digest);
  await files.write(staticName("outboards", digest), streamOf(outboard));
}

function missing(what: string, digest: Digest): StoreError {
  return new StoreError("missing", `${what} ${digest} is not in the store`, { context: { digest } });
}

async function* each<T>(items: Iterable<T>): AsyncGenerator<T, void> {
  yield* items;
}

/** Files that appear whole: written aside, flushed, renamed. */
class NewFiles {
  readonly #hostDir: string;
  readonly #scratch: string;
  readonly #made = new Set<string>();
  written = 0;
  bytes = 0;

  constructor(hostDir: string) {
    this.#hostDir = hostDir;
    // One for each run, so that two may publish at once.
    this.#scratch = join(hostDir, `${SCRATCH}-${randomUUID()}`);
  }

  async has(name: string): Promise<boolean> {
    return (await stat(join(this.#hostDir, name)).catch(absent)) !== undefined;
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    return readFile(join(this.#hostDir, name)).catch(absent);
  }

  /** Does nothing when the file is there: what is under a name never changes. */
  async write(name: string, content: ByteStream): Promise<void> {
    if (!(await this.has(name))) await this.replace(name, content);
  }

  async replace(name: string, content: ByteStream): Promise<void> {
    const path = join(this.#hostDir, name);
    await this.#ensure(this.#scratch);
    await this.#ensure(dirname(path));
    const aside = join(this.#scratch, randomUUID());
    const file = await open(aside, "wx", 0o644);
    try {
      for await (const bytes of content) {
        await file.writeFile(bytes);
        this.bytes += bytes.length;
      }
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
    this.written++;
  }

  /** Removes what was not finished. */
  async end(): Promise<void> {
    await rm(this.#scratch, { recursive: true, force: true });
  }

  async #ensure(hostDir: string): Promise<void> {
    if (this.#made.has(hostDir)) return;
    await mkdir(hostDir, { recursive: true });
    this.#made.add(hostDir);
  }
}

function absent(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code !== "ENOENT") throw thrown;
}
