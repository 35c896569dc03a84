/*
Appending to packs. A process appends to one pack at a time, which it claimed in the index, so that no other does; what is behind the
last flush may be lost or half there after a crash, and nothing records it then.

Room is taken at once and bytes are written by the thread pool, so many appends run at a time and in any order. A flush covers all appends
that ended before it was asked for; those who ask while one is running share the next.
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
  writev,
  writevSync,
} from "node:fs";
import { promisify } from "node:util";
import { storageError } from "./error.ts";
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
  readonly fd: number;
  end: number;
  isDirty: boolean;
  underWay: number;
  /** Room that was taken and not filled. */
  failed: PackPlace[];
};

let writers = 0;

/** Where an entry is: its head included. */
export type PackPlace = { readonly pack: number; readonly start: number; readonly end: number };

export class PackWriter {
  readonly #index: StoreIndex;
  readonly #packs: Packs;
  readonly #owner = `${identityOfSelf()}-${++writers}`;
  #current: OwnPack | undefined;
  /** Full ones that were not flushed and closed yet. */
  #full: OwnPack[] = [];
  #flushing: Promise<void> = Promise.resolve();
  #nextFlush: Promise<void> | undefined;
  /** A flush that failed, after which nothing here can be trusted to become durable. */
  #failure: Error | undefined;

  constructor(index: StoreIndex, packs: Packs) {
    this.#index = index;
    this.#packs = packs;
  }

  /** Writes `head` and `body` one behind the other; both must stay as they are until it resolves. Yields where `body` begins. Not flushed. */
  async append(head: Uint8Array, body: Uint8Array): Promise<{ readonly pack: number; readonly offset: number }> {
    if (this.#failure !== undefined) throw this.#failure;
    const pack = this.#room();
    const at = pack.end;
    const length = head.length + body.length;
    pack.end += length;
    pack.isDirty = true;
    pack.underWay++;
    try {
      await writeAt(pack.fd, head, body, at);
      return { pack: pack.number, offset: at + head.length };
    } catch (thrown) {
      pack.failed.push({ pack: pack.number, start: at, end: at + length });
      throw storageError("writing to a pack", thrown);
    } finally {
      pack.underWay--;
      pack.isDirty = true; // a flush may have begun since
    }
  }

  /** Takes back what was appended and will not be recorded, as far as nothing was appended behind it: a full disk gets its space back. */
  giveBack(entries: readonly PackPlace[]): void {
    const pack = this.#current;
    if (pack === undefined || pack.underWay > 0) return;
    let end = pack.end;
    const free = [...entries.filter((one) => one.pack === pack.number), ...pack.failed];
    const ends = new Map(free.map((one) => [one.end, one.start]));
    for (let start = ends.get(end); start !== undefined; start = ends.get(end)) end = start;
    if (end === pack.end) return;
    pack.end = end;
    try {
      ftruncateSync(pack.fd, end);
    } catch {
      // Dead space then, like what a killed process leaves.
    }
  }

  /** Resolves when everything that was appended before is durable. */
  flush(): Promise<void> {
    this.#nextFlush ??= this.#flushAfter(this.#flushing);
    return this.#nextFlush;
  }

  async #flushAfter(running: Promise<void>): Promise<void> {
    await running.catch(() => {}); // it was reported to those who asked for it
    const own = this.#nextFlush as Promise<void>;
    this.#flushing = own;
    this.#nextFlush = undefined;
    const full = this.#full;
    this.#full = [];
    const dirty = [...full, ...(this.#current?.isDirty ? [this.#current] : [])];
    try {
      if (this.#failure !== undefined) throw this.#failure;
      for (const pack of dirty) pack.isDirty = false;
      await Promise.all(dirty.map((pack) => flushFd(pack.fd)));
    } catch (thrown) {
      // Nobody knows what of it reached the disk, and asking the system again would not tell.
      this.#failure = storageError("flushing a pack (open the store again to go on)", thrown);
      throw this.#failure;
    } finally {
      for (const pack of full) {
        if (pack.underWay > 0) this.#full.push(pack);
        else await this.#release(pack);
      }
    }
  }

  /** Flushes and gives the claim back. Nothing may be under way. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#retire();
      for (const pack of this.#full) await this.#release(pack);
      this.#full = [];
    }
  }

  #room(): OwnPack {
    const current = this.#current;
    // A file that someone removed takes bytes without complaint, and nobody would find them.
    if (current !== undefined && (current.end >= PACK_BYTES_MAX || fstatSync(current.fd).nlink === 0)) this.#retire();
    this.#current ??= this.#claim();
    return this.#current;
  }

  #retire(): void {
    if (this.#current !== undefined) this.#full.push(this.#current);
    this.#current = undefined;
  }

  async #release(pack: OwnPack): Promise<void> {
    try {
      await closeFd(pack.fd);
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
      const pack: OwnPack = { number, fd, end: fstatSync(fd).size, isDirty: false, underWay: 0, failed: [] };
      if (pack.end < PACK_HEADER.length) {
        writeHeader(fd);
        pack.end = PACK_HEADER.length;
        pack.isDirty = true;
        flushDirectory(this.#packs.dir);
      }
      return pack;
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

/** Writes both at `position`, on the thread pool. */
async function writeAt(fd: number, head: Uint8Array, body: Uint8Array, position: number): Promise<void> {
  const length = head.length + body.length;
  for (let done = 0; done < length; ) {
    const parts = done < head.length ? [head.subarray(done), body] : [body.subarray(done - head.length)];
    done += await new Promise<number>((resolve, reject) => {
      writev(fd, parts, position + done, (error, count) => (error === null ? resolve(count) : reject(error)));
    });
  }
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
