/*
The put handle that most backends want: it holds the directories of one put in memory, checks them (directory-graph.ts), and
hands all of them over at once when it closes.
*/

import { throwIfAborted } from "@firn/base";
import type { Directory } from "./directory.ts";
import { DirectoryGraph } from "./directory-graph.ts";
import type { DirectoryPutter } from "./directory-service.ts";
import { CastoreError } from "./error.ts";
import type { Digest } from "./node.ts";

export type GraphPutterParts = {
  /** Finds a directory stored before. */
  readonly stored: (digest: Digest) => Promise<Directory | undefined>;
  /** Makes all of them durable and visible together. They come children first. */
  readonly keep: (directories: Iterable<Directory>) => Promise<void>;
  readonly signal?: AbortSignal;
};

export class GraphPutter implements DirectoryPutter {
  readonly #parts: GraphPutterParts;
  #graph: DirectoryGraph | undefined;
  #closing: Promise<Digest> | undefined;

  constructor(parts: GraphPutterParts) {
    this.#parts = parts;
    this.#graph = new DirectoryGraph(parts.stored);
  }

  async put(directory: Directory): Promise<void> {
    throwIfAborted(this.#parts.signal);
    if (this.#graph === undefined) throw new CastoreError("closed", "the put of directories has ended");
    await this.#graph.add(directory);
  }

  close(): Promise<Digest> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<Digest> {
    throwIfAborted(this.#parts.signal);
    const graph = this.#graph;
    if (graph === undefined) throw new CastoreError("closed", "the put of directories was aborted");
    const root = graph.finish();
    this.#graph = undefined;
    await this.#parts.keep(graph.directories());
    return root;
  }

  async abort(): Promise<void> {
    this.#graph = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }
}
