/*
Appending to packs. A process appends to one pack at a time, which it claimed in the index, so that no other does; what is behind the
last flush may be lost or half there after a crash, and nothing records it then.

Entries are copied into stages of some megabytes (pack-stages.ts), which the thread pool writes while the next one is filled. Nothing is recorded before a flush, so a
write that fails takes back all since the last one: whoever appended meanwhile hears of it when he flushes. Those who ask for a flush
while one is running share the next.
*/

import {
  close,
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  statSync,
  writevSync,
} from "node:fs";
import { promisify } from "node:util";
import { storageError } from "./error.ts";
import { PackFile, type Stage, Stages } from "./pack-stages.ts";
import { PACK_HEADER, type Packs } from "./packs.ts";
import { identityOfSelf, mayBeAlive } from "./process-identity.ts";
import { type StoreIndex, textKey } from "./store-index.ts";

/** A pack of this length or more is not appended to. */
export const PACK_BYTES_MAX = 256 * 1024 * 1024;
const NEXT_PACK_KEY = textKey("pack");
const NOBODY = new Uint8Array(0);

const flushFd = promisify(fdatasync);
const closeFd = promisify(close);

type OwnPack = {
  readonly number: number;
  readonly file: PackFile;
  /** Where the next entry goes. */
  end: number;
  /** What is before this was flushed. */
  flushedEnd: number;
  stage: Stage | undefined;
  /** Ends when all that was handed to the thread pool is written. */
  writing: Promise<void>;
  underWay: number;
};

let writers = 0;

/** Where an entry is: its head included. */
export type PackPlace = { readonly pack: number; readonly start: number; readonly end: number };

export class PackWriter {
  readonly #index: StoreIndex;
  readonly #packs: Packs;
  readonly #owner = `${identityOfSelf()}-${++writers}`;
  readonly #stages = new Stages();
  #current: OwnPack | undefined;
  /** Full ones that were not flushed and closed yet. */
  #full: OwnPack[] = [];
  #flushing: Promise<void> = Promise.resolve();
  #nextFlush: Promise<void> | undefined;
  /** How often a write failed, and why it did last. */
  #losses = 0;
  #loss: Error | undefined;
  /** A flush that failed, after which nothing here can be trusted to become durable. */
  #failure: Error | undefined;

  constructor(index: StoreIndex, packs: Packs) {
    this.#index = index;
    this.#packs = packs;
  }

  /** To be remembered by who begins to append, and given to `flush`. */
  get mark(): number {
    return this.#losses;
  }

  /** Something to wait for before the next `append`, undefined when there is room at once. */
  room(): Promise<void> | undefined {
    return this.#stages.room();
  }

  /**
   * Takes `head` and `body` one behind the other, together less than a stage, and yields where `body` will begin; both are the caller's again. Only when `room()`
   * was undefined just before. `isLarge` says that readers will hardly want it soon, so that the system's cache need not keep it.
   */
  append(head: Uint8Array, body: Uint8Array, isLarge = false): { readonly pack: number; readonly offset: number } {
    if (this.#failure !== undefined) throw this.#failure;
    const pack = this.#roomyPack();
    const at = pack.end;
    for (const bytes of [head, body]) {
      for (let from = 0; from < bytes.length; ) {
        pack.stage ??= this.#stages.take(pack.end);
        const taken = pack.stage.add(bytes, from, isLarge);
        from += taken;
        pack.end += taken;
        if (pack.stage.isFull) this.#writeStage(pack);
      }
    }
    return { pack: pack.number, offset: at + head.length };
  }

  /** Takes back what was appended and will not be recorded, as far as nothing was appended behind it: a full disk gets its space back. */
  async giveBack(entries: readonly PackPlace[]): Promise<void> {
    const pack = this.#current;
    if (pack === undefined || entries.length === 0) return;
    await pack.writing;
    if (pack !== this.#current || pack.underWay > 0) return;
    const ends = new Map(entries.filter((one) => one.pack === pack.number).map((one) => [one.end, one.start]));
    let end = pack.end;
    for (let start = ends.get(end); start !== undefined && start >= pack.flushedEnd; start = ends.get(end)) end = start;
    if (end < pack.end) this.#truncate(pack, end);
  }

  /** Resolves when everything that was appended before is durable. Throws `storage` when something was lost since `mark`. */
  async flush(mark: number): Promise<void> {
    this.#nextFlush ??= this.#flushAfter(this.#flushing);
    await this.#nextFlush;
    if (mark !== this.#losses) throw this.#loss;
  }

  async #flushAfter(running: Promise<void>): Promise<void> {
    await running.catch(() => {}); // it was reported to those who asked for it
    const own = this.#nextFlush as Promise<void>;
    this.#flushing = own;
    this.#nextFlush = undefined;
    const full = this.#full;
    this.#full = [];
    const packs = this.#current === undefined ? full : [...full, this.#current];
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await Promise.all(packs.map((pack) => this.#flushPack(pack)));
    } catch (thrown) {
      // Nobody knows what of it reached the disk, and asking the system again would not tell.
      this.#failure = storageError("flushing a pack (open the store again to go on)", thrown);
      throw this.#failure;
    } finally {
      for (const pack of full) await this.#release(pack);
    }
  }

  async #flushPack(pack: OwnPack): Promise<void> {
    if (pack.end === pack.flushedEnd) return;
    if (pack.stage !== undefined) this.#writeStage(pack);
    const { end } = pack;
    const losses = this.#losses;
    await pack.writing;
    if (losses !== this.#losses) return; // who asked hears of it
    await flushFd(pack.file.fd);
    pack.flushedEnd = Math.max(pack.flushedEnd, Math.min(end, pack.end));
  }

  /** Hands what was staged to the thread pool. */
  #writeStage(pack: OwnPack): void {
    const { stage } = pack;
    if (stage === undefined) return;
    pack.stage = undefined;
    pack.underWay++;
    const losses = this.#losses;
    const done = pack.file
      .write(stage)
      .catch((thrown: unknown) => {
        if (losses === this.#losses) this.#lose(pack, thrown);
      })
      .finally(() => {
        pack.underWay--;
        this.#stages.free(stage);
      });
    pack.writing = Promise.all([pack.writing, done]).then(() => {});
  }

  /** A write failed: all that was appended to this pack since the last flush is gone. */
  #lose(pack: OwnPack, thrown: unknown): void {
    this.#losses++;
    this.#loss = storageError("writing to a pack", thrown);
    this.#truncate(pack, pack.flushedEnd);
    // Writes that are still under way may come behind that end: the next entries go elsewhere.
    if (pack === this.#current) this.#retire();
  }

  #truncate(pack: OwnPack, end: number): void {
    pack.stage = this.#stages.cut(pack.stage, end);
    pack.end = end;
    try {
      if (fstatSync(pack.file.fd).size > end) ftruncateSync(pack.file.fd, end);
    } catch {
      // Dead space then, like what a killed process leaves.
    }
  }

  /** Flushes and gives the claim back. */
  async close(): Promise<void> {
    try {
      await this.flush(this.mark);
    } finally {
      this.#retire();
      for (const pack of this.#full) await this.#release(pack);
      this.#full = [];
    }
  }

  #roomyPack(): OwnPack {
    const current = this.#current;
    // A file that someone removed takes bytes without complaint, and nobody would find them.
    if (current !== undefined && (current.end >= PACK_BYTES_MAX || (current.stage === undefined && isRemoved(current))))
      this.#retire();
    this.#current ??= this.#claim();
    return this.#current;
  }

  #retire(): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#writeStage(current); // a stage that waited for a flush would be lacking until then
    this.#full.push(current);
    this.#current = undefined;
  }

  async #release(pack: OwnPack): Promise<void> {
    try {
      await pack.writing;
      this.#stages.cut(pack.stage, 0);
      pack.file.closeDirect();
      await closeFd(pack.file.fd);
      this.#index.write(() => this.#index.packs.putSync(packKey(pack.number), NOBODY));
    } catch {
      // The claim ends with the process.
    }
  }

  #claim(): OwnPack {
    let fd = -1;
    try {
      const number = this.#index.write(() => {
        const found = this.#unclaimed() ?? this.#newNumber();
        this.#index.packs.putSync(packKey(found), textKey(this.#owner));
        return found;
      });
      fd = openSync(this.#packs.pathOf(number), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
      let end = fstatSync(fd).size;
      if (end < PACK_HEADER.length) {
        writeHeader(fd);
        end = PACK_HEADER.length;
        flushDirectory(this.#packs.dir);
      }
      const file = new PackFile(this.#packs.pathOf(number), fd);
      return { number, file, end, flushedEnd: end, stage: undefined, writing: Promise.resolve(), underWay: 0 };
    } catch (thrown) {
      if (fd >= 0) closeSync(fd);
      throw storageError("beginning a pack", thrown);
    }
  }

  #unclaimed(): number | undefined {
    for (const { key, value } of this.#index.packs.getRange()) {
      const owner = Buffer.from(value).toString("latin1");
      if (owner !== "" && mayBeAlive(owner)) continue;
      const number = Buffer.from(key).readUInt32BE();
      if (sizeOf(this.#packs.pathOf(number)) < PACK_BYTES_MAX) return number;
    }
    return undefined;
  }

  /** Numbers are never used twice: someone may still have the file of a removed pack open. */
  #newNumber(): number {
    const last = this.#index.meta.getBinary(NEXT_PACK_KEY);
    const number = last === undefined ? 1 : Buffer.from(last).readUInt32LE();
    const next = Buffer.alloc(4);
    next.writeUInt32LE(number + 1);
    this.#index.meta.putSync(NEXT_PACK_KEY, next);
    return number;
  }
}

/** The key of a pack: its number, big-endian. */
export function packKey(number: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32BE(number);
  return key;
}

function isRemoved({ file }: OwnPack): boolean {
  return fstatSync(file.fd).nlink === 0;
}

function writeHeader(fd: number): void {
  for (let at = 0; at < PACK_HEADER.length; ) at += writevSync(fd, [PACK_HEADER.subarray(at)], at);
}

function flushDirectory(dir: string): void {
  const fd = openSync(dir, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** 0 for a pack that was claimed and never begun. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
