/*
Checks on many directories at once. `DirectoryGraph` takes a put, leaves first; `checkRecursive` watches a recursive get from a
peer, root first, and `leavesFirst` turns the one into the other. All see to it that a tree is whole, has one root, and that the size a parent states is its child's.

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
  checkSize(node.digest, node.size, child);
}

function checkSize(digest: Digest, said: number, has: { readonly size: number; readonly specSize: number }): void {
  if (said === has.size || said === has.specSize) return;
  throw new CastoreError(
    "invalid-graph",
    `a parent says that directory ${digest} has size ${said}, it has ${has.size}`,
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
  /** Those that were referred to and did not come yet, with every size that was said of them. */
  const expected = new Map<Digest, Set<number>>([[root, new Set()]]);
  const seen = new Map<Digest, { readonly size: number; readonly specSize: number }>();
  for await (const directory of directories) {
    const { digest, size, specSize } = directory;
    if (seen.has(digest)) continue;
    const said = expected.get(digest);
    if (said === undefined) {
      throw new CastoreError("invalid-graph", `directory ${digest} came without being part of ${root}`);
    }
    for (const saidSize of said) checkSize(digest, saidSize, directory);
    expected.delete(digest);
    seen.set(digest, { size, specSize });
    for (const child of directory.children()) {
      const known = seen.get(child.digest);
      if (known !== undefined) checkSize(child.digest, child.size, known);
      else {
        const sizes = expected.get(child.digest);
        if (sizes === undefined) expected.set(child.digest, new Set([child.size]));
        else sizes.add(child.size);
      }
    }
    if (seen.size + expected.size > GRAPH_DIRECTORIES_MAX) {
      throw new CastoreError("limit", `the tree ${root} has more than ${GRAPH_DIRECTORIES_MAX} directories`);
    }
    yield directory;
  }
  if (seen.size === 0) return;
  const lacking = expected.keys().next();
  if (!lacking.done) throw new CastoreError("missing", `directory ${lacking.value} of ${root} did not come`);
}

/**
 * The directories of a recursive get in the order a put wants: children before parents, the root last. Checks as `checkRecursive` does
 * and holds the whole graph, within a put's limits; nothing is yielded before all came.
 */
export async function* leavesFirst(
  root: Digest,
  directories: AsyncIterable<Directory>,
): AsyncGenerator<Directory, void> {
  const byDigest = new Map<Digest, Directory>();
  let bytes = 0;
  for await (const directory of checkRecursive(root, directories)) {
    byDigest.set(directory.digest, directory);
    bytes += directory.encoded.length;
    if (bytes > GRAPH_BYTES_MAX) {
      throw new CastoreError("limit", `the tree ${root} has more than ${GRAPH_BYTES_MAX} bytes of directories`);
    }
  }
  const top = byDigest.get(root);
  if (top === undefined) return;
  yield* leavesFirstOf(top, (digest) => byDigest.get(digest));
}

/** A directory and all below it that `find` knows, each once, children before parents. */
export function* leavesFirstOf(
  root: Directory,
  find: (digest: Digest) => Directory | undefined,
): Generator<Directory, void> {
  const entered = new Set<Digest>([root.digest]);
  const open = [{ directory: root, children: root.children() }];
  for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
    const next = last.children.next();
    if (next.done) {
      open.pop();
      yield last.directory;
      continue;
    }
    const { digest } = next.value;
    const directory = entered.has(digest) ? undefined : find(digest);
    if (directory === undefined) continue;
    entered.add(digest);
    open.push({ directory, children: directory.children() });
  }
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
