/*
Digests of what was read from packs, made beside the thread that sends it out, whose time they would take most of. The first bytes are hashed where they are:
most processes read little, and a thread costs some milliseconds and megabytes.
*/

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { HashReply, HashRequest } from "./hash-thread.ts";

declare const __FIRN_BUNDLED__: boolean | undefined;

/** Bytes that are hashed before a thread is worth it. */
const BYTES_BEFORE = 64 * 1024 * 1024;

/** With two, what this takes off one core it takes from who reads what is sent, and the handing over comes on top. */
const CORES_MIN = 3;

type Hashed = Pick<HashReply, "bytes" | "digests">;
type Waiting = { readonly resolve: (hashed: Hashed) => void; readonly reject: (thrown: unknown) => void };

export class HashThread {
  readonly #waiting = new Map<number, Waiting>();
  readonly #bytesBefore: number;
  #worker: Worker | undefined;
  #isUsable: boolean;
  #bytes = 0;
  #nextId = 0;

  /** So many bytes are left to the caller first, and all of them on a machine with fewer cores. */
  constructor(bytesBefore: number = BYTES_BEFORE, coresMin: number = CORES_MIN) {
    this.#bytesBefore = bytesBefore;
    this.#isUsable = availableParallelism() >= coresMin;
  }

  /**
   * BLAKE3 digests of pieces of these lengths, one behind the other in a buffer of its own, which is taken away; the bytes come back in another. undefined, and
   * nothing taken, where it is better done by the caller. Rejects when the thread broke, and the bytes are lost.
   */
  hash(bytes: Uint8Array, lengths: readonly number[]): Promise<Hashed> | undefined {
    this.#bytes += bytes.length;
    if (!this.#isUsable || this.#bytes <= this.#bytesBefore) return undefined;
    const worker = (this.#worker ??= this.#start());
    const id = this.#nextId++;
    const request: HashRequest = { id, bytes: bytes as Uint8Array<ArrayBuffer>, lengths };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage(request, [request.bytes.buffer]);
    });
  }

  async close(): Promise<void> {
    this.#isUsable = false;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const file = typeof __FIRN_BUNDLED__ !== "undefined" ? "hash-thread.cjs" : "hash-thread.ts";
    const worker = new Worker(new URL(file, import.meta.url));
    worker.on("message", ({ id, ...hashed }: HashReply) => {
      this.#waiting.get(id)?.resolve(hashed);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) worker.unref(); // it holds no process up that has nothing else to do
    });
    worker.on("error", (thrown) => this.#end(thrown));
    worker.on("exit", () => this.#end(new Error("the thread that hashes ended")));
    return worker;
  }

  #end(thrown: unknown): void {
    this.#isUsable = false;
    for (const { reject } of this.#waiting.values()) reject(thrown);
    this.#waiting.clear();
  }
}
