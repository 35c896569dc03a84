/*
Checks on many directories at once. `DirectoryGraph` takes a put, leaves first; `checkRecursive` watches a recursive get from a
peer, root first. Both see to it that a tree is whole, has one root, and that the size a parent states is its child's.

Sizes by either rule are accepted (directory.ts): a refusal would lock out trees that others wrote years ago.
*/

import { throwIfAborted } from "@firn/base";
import type { Directory } from "./directory.ts";
import { CastoreError } from "./error.ts";
import type { Digest, DirectoryNode } from "./node.ts";

/** Most directories that one put may carry. */
export const GRAPH_DIRECTORIES_MAX = 1 << 20;
/** Most encoded bytes that one put may carry; they are held in memory until it closes. */
export const GRAPH_BYTES_MAX = 1 << 30;

/** Collects the directories of one put, children before parents. */
export class DirectoryGraph {
  readonly #stored: (digest: Digest) => Promise<Directory | undefined>;
  readonly #taken = new Map<Digest, Directory>();
  /** Those no later one has referred to yet. */
  readonly #roots = new Set<Digest>();
  #last: Digest | undefined;
  #bytes = 0;

  /** `stored` finds a directory that was there before this put. */
  constructor(stored: (digest: Digest) => Promise<Directory | undefined>) {
    this.#stored = stored;
  }

  /** Takes one more; throws `invalid-graph` when a child is unknown or has another size. */
  async add(directory: Directory): Promise<void> {
    const digest = directory.digest;
    this.#last = digest;
    if (this.#taken.has(digest)) return;
    this.#bytes += directory.encoded.length;
    if (this.#taken.size >= GRAPH_DIRECTORIES_MAX || this.#bytes > GRAPH_BYTES_MAX) {
      const limits = `${GRAPH_DIRECTORIES_MAX} directories or ${GRAPH_BYTES_MAX} encoded bytes`;
      throw new CastoreError("limit", `one put carries more than ${limits}`);
    }
    for (const { node } of directory.entries) {
      if (node.kind !== "directory") continue;
      const child = this.#taken.get(node.digest) ?? (await this.#stored(node.digest));
      if (child === undefined) {
        throw new CastoreError("invalid-graph", `directory ${digest} was put before its child ${node.digest}`);
      }
      checkChildSize(node, child);
    }
    // Only now: a refused directory must not count as a parent.
    for (const child of directory.children()) this.#roots.delete(child.digest);
    this.#taken.set(digest, directory);
    this.#roots.add(digest);
  }

  /** The digest of the one root, which is the last one put; throws `invalid-graph` when nothing came or several roots did. */
  finish(): Digest {
    if (this.#last === undefined)
      throw new CastoreError("invalid-graph", "a put of directories was closed without any");
    if (this.#roots.size !== 1 || !this.#roots.has(this.#last)) {
      throw new CastoreError(
        "invalid-graph",
        `a put must end with its one root; ${this.#roots.size} directories have no parent`,
      );
    }
    return this.#last;
  }

  /** All distinct ones so far, in the order they came. */
  directories(): Iterable<Directory> {
    return this.#taken.values();
  }
}

/** Throws `invalid-graph` unless the size in the parent's entry is the child's, by either rule. */
export function checkChildSize(node: DirectoryNode, child: Directory): void {
  if (node.size === child.size || node.size === child.specSize) return;
  throw new CastoreError(
    "invalid-graph",
    `a parent says that directory ${node.digest} has size ${node.size}, it has ${child.size}`,
  );
}

/**
 * Passes on the directories of a recursive get from elsewhere. Each must be the root or have been referred to by an earlier one;
 * repeats are dropped; when the stream ends all must have come. An empty stream is an absent root. Throws `invalid-graph`
 * for a directory nobody asked for, `missing` for one that did not come.
 */
export async function* checkRecursive(
  root: Digest,
  directories: AsyncIterable<Directory>,
): AsyncGenerator<Directory, void> {
  const expected = new Map<Digest, DirectoryNode | undefined>([[root, undefined]]);
  const seen = new Set<Digest>();
  for await (const directory of directories) {
    const digest = directory.digest;
    if (seen.has(digest)) continue;
    if (!expected.has(digest)) {
      throw new CastoreError("invalid-graph", `directory ${digest} came without being part of ${root}`);
    }
    const node = expected.get(digest);
    if (node !== undefined) checkChildSize(node, directory);
    expected.delete(digest);
    seen.add(digest);
    if (seen.size + expected.size > GRAPH_DIRECTORIES_MAX) {
      throw new CastoreError("limit", `the tree ${root} has more than ${GRAPH_DIRECTORIES_MAX} directories`);
    }
    for (const child of directory.children()) if (!seen.has(child.digest)) expected.set(child.digest, child);
    yield directory;
  }
  if (seen.size === 0) return;
  const lacking = expected.keys().next();
  if (!lacking.done) throw new CastoreError("missing", `directory ${lacking.value} of ${root} did not come`);
}

/** A recursive get made of single ones: breadth first, each distinct directory once. `missing` when a child is absent. */
export async function* walkDirectories(
  root: Digest,
  get: (digest: Digest) => Promise<Directory | undefined>,
  signal?: AbortSignal,
): AsyncGenerator<Directory, void> {
  const seen = new Set<Digest>([root]);
  const queue: Digest[] = [root];
  for (let at = 0; at < queue.length; at++) {
    throwIfAborted(signal);
    const directory = await get(queue[at]);
    if (directory === undefined) {
      if (at === 0) return;
      throw new CastoreError("missing", `directory ${queue[at]}, part of ${root}, is not there`);
    }
    yield directory;
    for (const child of directory.children()) {
      if (seen.has(child.digest)) continue;
      seen.add(child.digest);
      queue.push(child.digest);
    }
  }
}
