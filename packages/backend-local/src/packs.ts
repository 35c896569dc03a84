/*
Packs: the files that chunks lie in, one behind the other (docs/formats/local-store.md). This is the reading side and the names; writing
is pack-writer.ts. Descriptors are kept open for a while, since one blob's chunks are mostly in one pack.
*/

import { closeSync, constants, fstatSync, openSync, read as readFd, readSync, readv } from "node:fs";
import { join } from "node:path";
import { CastoreError, type Digest } from "@firn/castore";
import type { ChunkCodec, ChunkRecord } from "./chunk-record.ts";
import { errnoOf, storageError } from "./error.ts";

/** What a pack begins with. */
export const PACK_HEADER = Buffer.from("firn-chunk-pack\n", "latin1");
/** Length of what stands before a chunk's stored bytes. */
export const ENTRY_HEAD_BYTES = 48;
const ENTRY_MAGIC = Buffer.from("chnk", "latin1");
const OPEN_MAX = 32;

type OpenPack = {
  readonly fd: number;
  readers: number;
  isDropped: boolean;
  /** How long it was when it was looked at last. */
  bytes: number;
};

/** What stands before a chunk's stored bytes: enough to make a lost index again. */
export function encodeEntryHead(digest: Digest, codec: ChunkCodec, storedBytes: number, size: number): Buffer {
  const head = Buffer.alloc(ENTRY_HEAD_BYTES);
  ENTRY_MAGIC.copy(head);
  head.writeUInt32LE(codec === "raw" ? 0 : 1, 4);
  head.writeUInt32LE(size, 8);
  head.writeUInt32LE(storedBytes, 12);
  head.write(digest, 16, "hex");
  return head;
}

export class Packs {
  readonly dir: string;
  /** In the order of last use. */
  readonly #open = new Map<number, OpenPack>();

  constructor(storeDir: string) {
    this.dir = join(storeDir, "packs");
  }

  /** Where a pack is. */
  pathOf(pack: number): string {
    return join(this.dir, pack.toString(16).padStart(8, "0"));
  }

  /** What is stored of a chunk, in a new buffer, unverified. undefined when the pack is gone or ends before. */
  async read({ pack, offset, storedBytes }: ChunkRecord): Promise<Uint8Array | undefined> {
    const opened = this.#take(pack);
    if (opened === undefined) return undefined;
    opened.readers++;
    try {
      const bytes = unfilled(storedBytes);
      for (let at = 0; at < storedBytes; ) {
        const count = await new Promise<number>((resolve, reject) => {
          readFd(opened.fd, bytes, at, storedBytes - at, offset + at, (error, length) =>
            error === null ? resolve(length) : reject(error),
          );
        });
        if (count === 0) return undefined;
        at += count;
      }
      return bytes;
    } catch (thrown) {
      throw storageError(`reading pack ${pack}`, thrown);
    } finally {
      opened.readers--;
      this.#closeUnused(opened);
    }
  }

  /** What is stored of chunks that lie one behind the other (`isBehind`), without what stands before each; as above. */
  async readRun(records: readonly ChunkRecord[]): Promise<Uint8Array | undefined> {
    const [{ pack, offset }] = records;
    const opened = this.#take(pack);
    if (opened === undefined) return undefined;
    opened.readers++;
    try {
      const bytes = unfilled(records.reduce((sum, { storedBytes }) => sum + storedBytes, 0));
      const head = new Uint8Array(ENTRY_HEAD_BYTES);
      const parts: Uint8Array[] = [];
      let at = 0;
      for (const { storedBytes } of records) {
        if (at > 0) parts.push(head);
        parts.push(bytes.subarray(at, at + storedBytes));
        at += storedBytes;
      }
      const wanted = at + (records.length - 1) * ENTRY_HEAD_BYTES;
      const count = await new Promise<number>((resolve, reject) => {
        readv(opened.fd, parts, offset, (error, length) => (error === null ? resolve(length) : reject(error)));
      });
      return count === wanted ? bytes : undefined;
    } catch (thrown) {
      throw storageError(`reading pack ${pack}`, thrown);
    } finally {
      opened.readers--;
      this.#closeUnused(opened);
    }
  }

  /** The same without leaving the call. */
  readSync({ pack, offset, storedBytes }: ChunkRecord): Uint8Array | undefined {
    const opened = this.#take(pack);
    if (opened === undefined) return undefined;
    try {
      const bytes = unfilled(storedBytes);
      for (let at = 0; at < storedBytes; ) {
        const count = readSync(opened.fd, bytes, at, storedBytes - at, offset + at);
        if (count === 0) return undefined;
        at += count;
      }
      return bytes;
    } catch (thrown) {
      throw storageError(`reading pack ${pack}`, thrown);
    }
  }

  /** Whether the bytes a record points at are within its pack. */
  holds({ pack, offset, storedBytes }: ChunkRecord): boolean {
    const opened = this.#take(pack);
    if (opened === undefined) return false;
    if (opened.bytes < offset + storedBytes) opened.bytes = fstatSync(opened.fd).size;
    return opened.bytes >= offset + storedBytes;
  }

  /** Forgets a pack that was removed, so that its space is freed. */
  forget(pack: number): void {
    const opened = this.#open.get(pack);
    if (opened !== undefined) this.#drop(pack, opened);
  }

  close(): void {
    for (const [pack, opened] of this.#open) this.#drop(pack, opened);
  }

  #take(pack: number): OpenPack | undefined {
    let opened = this.#open.get(pack);
    if (opened === undefined) {
      try {
        const fd = openSync(this.pathOf(pack), constants.O_RDONLY | constants.O_NOFOLLOW);
        opened = { fd, readers: 0, isDropped: false, bytes: 0 };
      } catch (thrown) {
        if (errnoOf(thrown) === "ENOENT") return undefined;
        throw storageError(`opening pack ${pack}`, thrown);
      }
      if (this.#open.size >= OPEN_MAX) for (const [old, one] of [...this.#open].slice(0, 1)) this.#drop(old, one);
    } else this.#open.delete(pack);
    this.#open.set(pack, opened);
    return opened;
  }

  #drop(pack: number, opened: OpenPack): void {
    this.#open.delete(pack);
    opened.isDropped = true;
    this.#closeUnused(opened);
  }

  #closeUnused(opened: OpenPack): void {
    if (opened.isDropped && opened.readers === 0) closeSync(opened.fd);
  }
}

/** Whether what is stored of the second chunk lies right behind what is stored of the first. */
export function isBehind(first: ChunkRecord, second: ChunkRecord): boolean {
  return second.pack === first.pack && second.offset === first.offset + first.storedBytes + ENTRY_HEAD_BYTES;
}

/** Memory that holds anything until it is written: zeros first would cost as much as a copy. */
function unfilled(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** The error for a chunk whose record points at nothing. */
export function chunkGone(digest: Digest): CastoreError {
  return new CastoreError("missing", `the store knows chunk ${digest} but its bytes are gone`, { context: { digest } });
}
