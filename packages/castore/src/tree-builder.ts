/*
A tree from a stream of entries, as an archive or a NAR brings them: enter a directory, add files and symlinks, leave it. Directories
are put as they are left, so children go before parents, and only the open ones are held.
*/

import type { ByteString } from "@firn/base";
import { assert } from "@firn/base";
import { Directory } from "./directory.ts";
import type { DirectoryPutter, DirectoryService } from "./directory-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import { tooDeep } from "./lookup.ts";
import { type DirectoryEntry, type Node, TREE_DEPTH_MAX } from "./node.ts";
import { checkNode } from "./node-rules.ts";

type OpenDirectory = { readonly name: ByteString; readonly entries: DirectoryEntry[] };

/** Builds one tree. The root's own name is "". Must be closed or aborted; `await using` aborts what was not closed. */
export class TreeBuilder implements AsyncDisposable {
  readonly #putter: DirectoryPutter;
  readonly #open: OpenDirectory[] = [];
  #root: Node | undefined;
  #ended = false;

  constructor(directories: DirectoryService, options?: CallOptions) {
    this.#putter = directories.openPut(options);
  }

  /** Begins a directory in the open one; the first begins the root. */
  enter(name: ByteString): void {
    this.#check();
    if (this.#open.length >= TREE_DEPTH_MAX) throw tooDeep();
    this.#open.push({ name, entries: [] });
  }

  /** Adds a finished node to the open directory, or makes it the root when none is open. */
  add(name: ByteString, node: Node): void {
    this.#check();
    const parent = this.#open.at(-1);
    if (parent !== undefined) parent.entries.push({ name, node });
    else {
      checkNode(node);
      this.#root = node;
    }
  }

  /** Ends the open directory: checks and puts it. Names that are wrong or come twice are reported here. */
  async leave(): Promise<void> {
    this.#check();
    const left = this.#open.pop();
    assert(left !== undefined, "a directory is left only while one is open");
    const directory = new Directory(left.entries);
    await this.#putter.put(directory);
    this.add(left.name, directory.node);
  }

  /** Makes the tree durable and yields its root. */
  async close(): Promise<Node> {
    assert(this.#open.length === 0, "every directory was left before the tree is closed");
    const root = this.#root;
    if (root === undefined) throw new CastoreError("invalid-graph", "a tree was closed without any node");
    this.#ended = true;
    if (root.kind === "directory") await this.#putter.close();
    else await this.#putter.abort();
    return root;
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#putter.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  #check(): void {
    if (this.#ended) throw new CastoreError("closed", "the tree builder has ended");
    assert(this.#root === undefined || this.#open.length > 0, "a tree has one root");
  }
}
