/*
Directories as objects, one for each tree that was put, under its root's digest: all its directories, parents first. Only roots can be asked for as
such; directories below a root that was read or written here are known as long as memory for them lasts, which is enough for one who
walks down from a root.
*/

import { concatBytes } from "@firn/base";
import {
  type CallOptions,
  CastoreError,
  checkRecursive,
  type Digest,
  Directory,
  DIRECTORY_BYTES_MAX,
  type DirectoryPutter,
  type DirectoryService,
  type DirectoryServiceSupports,
  EMPTY_DIGEST,
  GraphPutter,
  leavesFirstOf,
  LruMap,
  type MemoryLeases,
  walkDirectories,
} from "@firn/castore";
import type { ObjectFiles } from "./object-files.ts";
import { compress, decompress } from "./zstd.ts";

/** Longest object, uncompressed, in bytes. */
const TREE_BYTES_MAX = 1 << 30;
const KNOWN_BYTES_MAX = 64 * 1024 * 1024;
const KNOWN_ROOTS_MAX = 1_000_000;
const OBJECT_BYTES = 256;

const treeKey = (digest: Digest) => `dirs/b3/${digest.slice(0, 4)}/${digest}`;

export class ObjectDirectories implements DirectoryService {
  readonly supports: DirectoryServiceSupports = { write: true, everyDirectory: false };
  readonly #files: ObjectFiles;
  readonly #leases: MemoryLeases;
  readonly #known = new LruMap<Digest, Directory>(KNOWN_BYTES_MAX);
  /** The root below which a directory was last met. */
  readonly #rootOf = new LruMap<Digest, Digest>(KNOWN_ROOTS_MAX);

  constructor(files: ObjectFiles, leases: MemoryLeases) {
    this.#files = files;
    this.#leases = leases;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#leases.begin(options);
    return (await this.#files.has(treeKey(digest))) || this.#rootOf.get(digest) !== undefined;
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    this.#leases.begin(options);
    return this.#find(digest);
  }

  async put(directory: Directory, options?: CallOptions): Promise<Digest> {
    await using putter = this.openPut(options);
    await putter.put(directory);
    return await putter.close();
  }

  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory> {
    this.#leases.begin(options);
    return walkDirectories(root, (digest) => this.#find(digest), options?.signal);
  }

  openPut(options?: CallOptions): DirectoryPutter {
    this.#leases.begin(options);
    return new GraphPutter({
      stored: (digest) => this.#find(digest),
      keep: async (directories) => {
        const put = new Map<Digest, Directory>();
        let root = EMPTY_DIGEST; // the last to come is the root
        for (const directory of directories) {
          put.set(directory.digest, directory);
          root = directory.digest;
        }
        if (await this.#files.has(treeKey(root))) return;
        const tree: Directory[] = [];
        const find = async (digest: Digest) => put.get(digest) ?? (await this.#find(digest));
        for await (const directory of walkDirectories(root, find, options?.signal)) tree.push(directory);
        await this.#files.put(treeKey(root), await compress(encodeTree(root, parentsFirst(root, tree))));
        this.#learn(root, tree);
      },
      signal: options?.signal,
    });
  }

  /** From memory, as a root, or below a root that was met before. */
  async #find(digest: Digest): Promise<Directory | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const root = (await this.#files.has(treeKey(digest))) ? digest : this.#rootOf.get(digest);
    if (root === undefined) return undefined;
    const stored = await this.#files.get(treeKey(root));
    if (stored === undefined) return undefined;
    const tree = await decodeTree(root, await decompress(stored, TREE_BYTES_MAX, `the tree of directory ${root}`));
    this.#learn(root, tree);
    return tree.find((directory) => directory.digest === digest);
  }

  #learn(root: Digest, tree: readonly Directory[]): void {
    // Backwards, so that what is nearest to the root is forgotten last.
    for (let i = tree.length - 1; i >= 0; i--) {
      this.#known.set(tree[i].digest, tree[i], OBJECT_BYTES + tree[i].encoded.length);
      this.#rootOf.set(tree[i].digest, root, 1);
    }
  }
}

/** Every directory after all that refer to it: stricter than the layout asks, so that every reader is content. */
function parentsFirst(root: Digest, tree: readonly Directory[]): Directory[] {
  const byDigest = new Map(tree.map((directory) => [directory.digest, directory]));
  return [...leavesFirstOf(byDigest.get(root) as Directory, (digest) => byDigest.get(digest))].reverse();
}

/** Each directory after its length in four bytes, big-endian. */
function encodeTree(root: Digest, tree: readonly Directory[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const { encoded } of tree) {
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, encoded.length);
    parts.push(head, encoded);
    length += 4 + encoded.length;
  }
  if (length > TREE_BYTES_MAX)
    throw new CastoreError(
      "limit",
      `the tree of directory ${root} takes ${length} bytes, at most ${TREE_BYTES_MAX} are stored as one`,
    );
  return concatBytes(parts);
}

/** Reads and checks a tree: whole, and nothing else. Throws `corrupt`. */
async function decodeTree(root: Digest, bytes: Uint8Array): Promise<Directory[]> {
  async function* directories(): AsyncGenerator<Directory, void> {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; ) {
      const length = at + 4 <= bytes.length ? view.getUint32(at) : Number.POSITIVE_INFINITY;
      if (length > DIRECTORY_BYTES_MAX || at + 4 + length > bytes.length)
        throw new CastoreError("malformed", "a length beyond the end");
      yield Directory.decode(bytes.slice(at + 4, at + 4 + length));
      at += 4 + length;
    }
  }
  try {
    const tree = await Array.fromAsync(checkRecursive(root, directories()));
    if (tree.length === 0) throw new CastoreError("malformed", "it is empty");
    return tree;
  } catch (thrown) {
    if (!(thrown instanceof CastoreError) || thrown.code === "limit") throw thrown;
    throw new CastoreError("corrupt", `the tree of directory ${root} is damaged: ${thrown.message}`, {
      context: { digest: root },
      cause: thrown,
    });
  }
}
