/*
The thread of tree-thread.ts as the importing side sees it: events like those of a walk, and at the end the hash of the NAR.
*/

import { Worker } from "node:worker_threads";
import { type ByteString, throwIfAborted } from "@firn/base";
import { CastoreError } from "@firn/castore";
import type { NarDigest } from "@firn/store";
import { storageError } from "./error.ts";
import { makeRing, RingReader } from "./tree-ring.ts";
import type { TreeThreadEnd, TreeThreadStart } from "./tree-thread.ts";
import { TreeEvent } from "./tree-walk.ts";

declare const __FIRN_BUNDLED__: boolean | undefined;

export class TreeThread {
  readonly #reader: RingReader;
  readonly #worker: Worker;
  readonly #signal: AbortSignal | undefined;
  readonly #done = new TreeEvent();
  readonly #wake = () => this.#reader.wake();
  #end: TreeThreadEnd | undefined;
  #broken: unknown;

  constructor(root: ByteString, withNar: boolean, signal: AbortSignal | undefined) {
    const ring = makeRing();
    this.#reader = new RingReader(ring);
    this.#signal = signal;
    this.#done.kind = "done";
    const start: TreeThreadStart = { root, withNar, ring };
    const file = typeof __FIRN_BUNDLED__ !== "undefined" ? "tree-thread.cjs" : "tree-thread.ts";
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: start });
    this.#worker.on("message", (end: TreeThreadEnd) => {
      this.#end = end;
      this.#wake();
    });
    this.#worker.on("error", (thrown) => {
      this.#broken = thrown;
      this.#wake();
    });
    signal?.addEventListener("abort", this.#wake);
  }

  /** The hash of the tree's NAR, when it was asked for and all events came. */
  get nar(): NarDigest | undefined {
    return this.#end?.failure === undefined ? this.#end?.nar : undefined;
  }

  next(): TreeEvent {
    const event = this.#reader.next();
    if (event.kind !== "later") return event;
    throwIfAborted(this.#signal);
    if (this.#broken !== undefined) throw storageError("reading a tree", this.#broken);
    if (this.#end === undefined) return event;
    const { failure } = this.#end;
    if (failure === undefined) return this.#done;
    throw new CastoreError(failure.code, failure.message, failure);
  }

  ready(): Promise<void> {
    return this.#reader.ready();
  }

  close(): void {
    this.#signal?.removeEventListener("abort", this.#wake);
    this.#reader.close();
  }
}
