/*
What the files of a directory looked like when they were imported last, so that the next import need not open them: git's index, kept per
directory. A file that changed so shortly before it was seen that it could change again unnoticed is not remembered (git calls
such an entry racy). Nothing here is needed: records may go at any time, and one that cannot be read is none.
*/

import type { Stats } from "node:fs";
import { type ByteString, bytesOf } from "@firn/base";
import { type Digest, digestOf } from "@firn/castore";
import { HEAD_BYTES } from "./record-head.ts";
import { digestKey, type StoreIndex } from "./store-index.ts";

/** Coarsest step of a file system's clock, in ms. */
const RACY_MS = 2000;
const NUMBERS_BYTES = 4 * 8;
const DIGEST_AT = NUMBERS_BYTES;
const NAME_LENGTH_AT = DIGEST_AT + 32;
const NAME_AT = NAME_LENGTH_AT + 2;

/** A file as it is known. */
export type KnownFile = { readonly digest: Digest; readonly key: Buffer };

/** The files of one directory as they were, asked for in the order of their names. */
export class SeenDirectory {
  readonly #record: Buffer;
  readonly #view: DataView;
  #at = HEAD_BYTES;

  constructor(record: Uint8Array) {
    this.#record = Buffer.from(record.buffer, record.byteOffset, record.length);
    this.#view = new DataView(record.buffer, record.byteOffset, record.length);
  }

  /** The digest of a file that looks as it did, undefined for any other. Names must be asked for in ascending order. */
  find(name: ByteString, stats: Stats): KnownFile | undefined {
    while (this.#at + NAME_AT <= this.#record.length) {
      const at = this.#at;
      const nameEnd = at + NAME_AT + this.#view.getUint16(at + NAME_LENGTH_AT, true);
      const found = this.#record.toString("latin1", at + NAME_AT, nameEnd);
      if (found > name) return undefined;
      this.#at = nameEnd;
      if (found < name) continue;
      const isSame =
        this.#view.getFloat64(at, true) === stats.mtimeMs &&
        this.#view.getFloat64(at + 8, true) === stats.ctimeMs &&
        this.#view.getFloat64(at + 16, true) === stats.ino &&
        this.#view.getFloat64(at + 24, true) === stats.size;
      if (!isSame) return undefined;
      const key = this.#record.subarray(at + DIGEST_AT, at + NAME_LENGTH_AT);
      return { digest: key.toString("hex") as Digest, key };
    }
    return undefined;
  }
}

/** Collects what is to be remembered of one directory. */
export class SeenFiles {
  readonly #parts: Buffer[] = [];

  /** Files come in ascending order of names; `seenAtMs` is when the import looked at the file first. */
  add(name: ByteString, stats: Stats, digest: Digest, seenAtMs: number): void {
    if (stats.mtimeMs > seenAtMs - RACY_MS || stats.ctimeMs > seenAtMs - RACY_MS) return;
    const bytes = Buffer.allocUnsafe(NAME_AT + name.length);
    bytes.writeDoubleLE(stats.mtimeMs, 0);
    bytes.writeDoubleLE(stats.ctimeMs, 8);
    bytes.writeDoubleLE(stats.ino, 16);
    bytes.writeDoubleLE(stats.size, 24);
    bytes.write(digest, DIGEST_AT, "hex");
    bytes.writeUInt16LE(name.length, NAME_LENGTH_AT);
    bytes.write(name, NAME_AT, "latin1");
    this.#parts.push(bytes);
  }

  /** The record without its head. */
  encode(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

/** The key of a directory's record. */
export function statKey(path: ByteString): Buffer {
  return digestKey(digestOf(bytesOf(path)));
}

/** What is remembered of a directory at a host path. */
export function seenDirectory(index: StoreIndex, key: Buffer): SeenDirectory | undefined {
  const record = index.stats.getBinary(key);
  return record === undefined || record.length < HEAD_BYTES ? undefined : new SeenDirectory(record);
}
