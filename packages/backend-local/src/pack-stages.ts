/*
Where entries of packs gather before they are written, and how they are written. A stage is a few megabytes whose memory and place in the file are aligned alike, so that
what readers will hardly want soon can go to the disk without a copy in the system's cache (O_DIRECT): for a large import that copy
costs more than hashing. Where a file system or a platform has no such writes, and for what is short or not on a boundary, ordinary ones are used.
*/

import { closeSync, constants, openSync, write as writeFd } from "node:fs";
import { errnoOf } from "./error.ts";

const STAGE_BYTES = 4 * 1024 * 1024;
const STAGES = 5;
/** What direct writes are aligned to, in memory and in the file: the largest of block and page that is common. */
const ALIGN_BYTES = 4096;
const DIRECT_BYTES_MIN = 512 * 1024;
const WASM_PAGE_BYTES = 65_536;

/** The part of WebAssembly's interface used here, which TypeScript knows only together with the DOM. */
type WebAssemblyGlobal = {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

/** Bytes for a range of a pack, which begins in the stage where its place in the file does in its block. */
export class Stage {
  readonly #memory: Uint8Array;
  /** Place in the file of the memory's first byte. */
  #base = 0;
  from = 0;
  to = 0;
  isLarge = true;

  constructor(memory: Uint8Array) {
    this.#memory = memory;
  }

  begin(at: number): void {
    this.#base = at - (at % ALIGN_BYTES);
    this.from = at;
    this.to = at;
    this.isLarge = true;
  }

  get isFull(): boolean {
    return this.to - this.#base === this.#memory.length;
  }

  /** Takes what there is room for of `bytes` from `from` on, and says how much that was. */
  add(bytes: Uint8Array, from: number, isLarge: boolean): number {
    const at = this.to - this.#base;
    const length = Math.min(bytes.length - from, this.#memory.length - at);
    this.#memory.set(from === 0 && length === bytes.length ? bytes : bytes.subarray(from, from + length), at);
    this.to += length;
    if (!isLarge) this.isLarge = false;
    return length;
  }

  /** The bytes at `[from, to)` of the file. */
  bytes(from: number, to: number): Uint8Array {
    return this.#memory.subarray(from - this.#base, to - this.#base);
  }
}

/** The stages of one writer; their memory is taken with the first. */
export class Stages {
  #free: Stage[] | undefined;
  #waiting: (() => void)[] = [];

  /** Something to wait for before two can be taken, undefined when they can. */
  room(): Promise<void> | undefined {
    if (this.#free === undefined || this.#free.length >= 2) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** One for what will be written at `at`. */
  take(at: number): Stage {
    this.#free ??= makeStages();
    const stage = this.#free.pop() as Stage;
    stage.begin(at);
    return stage;
  }

  free(stage: Stage): void {
    this.#free?.push(stage);
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** Forgets what is staged from `end` on; a stage that has nothing left is free again. */
  cut(stage: Stage | undefined, end: number): Stage | undefined {
    if (stage === undefined || end > stage.from) {
      if (stage !== undefined) stage.to = Math.min(stage.to, end);
      return stage;
    }
    this.free(stage);
    return undefined;
  }
}

/** A WebAssembly memory is the only one that Node promises to begin on a page. */
function makeStages(): Stage[] {
  const { Memory } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyGlobal }).WebAssembly;
  const pages = (STAGES * STAGE_BYTES) / WASM_PAGE_BYTES;
  const { buffer } = new Memory({ initial: pages, maximum: pages });
  return Array.from({ length: STAGES }, (_, i) => new Stage(new Uint8Array(buffer, i * STAGE_BYTES, STAGE_BYTES)));
}

/** A pack that is open for writing. */
export class PackFile {
  readonly fd: number;
  readonly #path: string;
  /** For direct writes: undefined before the first, -1 where it cannot be had. */
  #directFd: number | undefined;
  #isDirectRefused = false;

  constructor(path: string, fd: number) {
    this.#path = path;
    this.fd = fd;
  }

  /** Writes what a stage holds, on the thread pool. Not flushed. */
  async write(stage: Stage): Promise<void> {
    const { from, to } = stage;
    const start = Math.ceil(from / ALIGN_BYTES) * ALIGN_BYTES;
    const end = to - (to % ALIGN_BYTES);
    const isDirect =
      stage.isLarge &&
      !this.#isDirectRefused &&
      end - start >= DIRECT_BYTES_MIN &&
      (await this.#writeDirect(stage, start, end));
    if (!isDirect) return writeAll(this.fd, stage.bytes(from, to), from);
    await writeAll(this.fd, stage.bytes(from, start), from);
    await writeAll(this.fd, stage.bytes(end, to), end);
  }

  /** False where that cannot be done; then nothing, or a part, was written. */
  async #writeDirect(stage: Stage, from: number, to: number): Promise<boolean> {
    const fd = this.#direct();
    if (fd < 0) return false;
    try {
      await writeAll(fd, stage.bytes(from, to), from);
      return true;
    } catch (thrown) {
      if (errnoOf(thrown) !== "EINVAL") throw thrown;
      this.#isDirectRefused = true; // it wants other alignments than ours
      return false;
    }
  }

  #direct(): number {
    if (this.#directFd !== undefined) return this.#directFd;
    this.#directFd = -1;
    if (constants.O_DIRECT === undefined) return -1;
    try {
      this.#directFd = openSync(this.#path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_DIRECT);
    } catch {
      // Not on this file system.
    }
    return this.#directFd;
  }

  closeDirect(): void {
    if (this.#directFd !== undefined && this.#directFd >= 0) closeSync(this.#directFd);
    this.#directFd = -1;
  }
}

/** Writes all of `bytes` at `position`. */
async function writeAll(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += await new Promise<number>((resolve, reject) => {
      writeFd(fd, bytes, done, bytes.length - done, position + done, (error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    });
  }
}
