/*
What a directory and its files looked like when they were imported last, so that the next import need neither list nor open them: git's index, kept
per directory. What changed so shortly before it was seen that it could change again unnoticed is not remembered (git calls such an entry
racy). Nothing here is needed: records may go at any time, and one that cannot be read is none. Its answers are believed without a look at the
file, so a record ends with a CRC-32: a flipped bit must not become another digest.
*/

import { crc32 } from "node:zlib";
import { type ByteString, bytesOf } from "@firn/base";
import { type Digest, digestOf, type DirectoryNode, type Node } from "@firn/castore";
import { HEAD_BYTES } from "./record-head.ts";
import { digestKey, type StoreIndex } from "./store-index.ts";

/** Coarsest step of a file system's clock, in ms. */
export const RACY_MS = 2000;

/** What is compared; the times in ms. */
export type SeenStats = {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
  readonly size: number;
};

/** A name in a directory; of a symlink with its target. */
export type SeenEntry = { readonly name: ByteString; readonly kind: Node["kind"]; readonly target: ByteString };

/** A file as it is known. */
export type KnownFile = { readonly digest: Digest; readonly key: Buffer };

const LISTED = 1;
/** The record ends with a checksum; those of earlier days do not, and are not used. */
const CHECKED = 2;
const CHECK_BYTES = 4;
/** mtime, ctime, inode and length, f64 each. */
const STATS_BYTES = 4 * 8;
const DIGEST_BYTES = 32;
/** Of the directory: flags, stats, and of its node the digest and size. */
const FIXED_BYTES = 1 + STATS_BYTES + DIGEST_BYTES + 8;
/** Of an entry: kind, and the lengths of name and of what follows it. */
const ENTRY_BYTES = 1 + 2 + 2;
const KINDS: readonly Node["kind"][] = ["file", "directory", "symlink"];

/** A directory as it was. Its files are asked for in the order of their names. */
export class SeenDirectory {
  readonly entries: readonly SeenEntry[];
  readonly #record: Buffer;
  readonly #view: DataView;
  /** Where what stands behind each name begins; its end is the next entry's place. */
  readonly #details: readonly number[];
  #next = 0;

  /** Throws RangeError when the record is not one, or damaged. */
  constructor(checked: Uint8Array) {
    if (!hasCheck(checked) || isDamaged(checked)) throw new RangeError("a record of the stat cache is damaged");
    const record = checked.subarray(0, checked.length - CHECK_BYTES);
    this.#record = Buffer.from(record.buffer, record.byteOffset, record.length);
    this.#view = new DataView(record.buffer, record.byteOffset, record.length);
    const entries: SeenEntry[] = [];
    const details: number[] = [];
    for (let at = HEAD_BYTES + FIXED_BYTES; at < record.length; ) {
      const kind = KINDS[this.#view.getUint8(at)];
      const nameEnd = at + ENTRY_BYTES + this.#view.getUint16(at + 1, true);
      const end = nameEnd + this.#view.getUint16(at + 3, true);
      if (end > record.length || kind === undefined) throw new RangeError("a record of the stat cache is damaged");
      const name = this.#record.toString("latin1", at + ENTRY_BYTES, nameEnd);
      entries.push({ name, kind, target: kind === "symlink" ? this.#record.toString("latin1", nameEnd, end) : "" });
      details.push(nameEnd);
      at = end;
    }
    this.entries = entries;
    this.#details = details;
  }

  /** Whether the directory has the same entries, as far as their names and kinds and the targets of symlinks go. */
  isListed(stats: SeenStats): boolean {
    return (this.#record[HEAD_BYTES] & LISTED) !== 0 && this.#isSame(HEAD_BYTES + 1, stats);
  }

  /** What the directory was, when all in it is as it was. */
  get node(): DirectoryNode {
    const at = HEAD_BYTES + 1 + STATS_BYTES;
    const digest = this.#record.toString("hex", at, at + DIGEST_BYTES) as Digest;
    return { kind: "directory", digest, size: this.#view.getFloat64(at + DIGEST_BYTES, true) };
  }

  /** The digest of a file that looks as it did, undefined for any other. Names must be asked for in ascending order. */
  find(name: ByteString, stats: SeenStats): KnownFile | undefined {
    while (this.#next < this.entries.length && this.entries[this.#next].name < name) this.#next++;
    const entry = this.entries[this.#next];
    if (entry === undefined || entry.name !== name || entry.kind !== "file") return undefined;
    const at = this.#details[this.#next++];
    // A racy file has a name and nothing else.
    if (at + STATS_BYTES + DIGEST_BYTES > this.#end(this.#next) || !this.#isSame(at, stats)) return undefined;
    const key = this.#record.subarray(at + STATS_BYTES, at + STATS_BYTES + DIGEST_BYTES);
    return { digest: key.toString("hex") as Digest, key };
  }

  #end(next: number): number {
    if (next === this.entries.length) return this.#record.length;
    return this.#details[next] - this.entries[next].name.length - ENTRY_BYTES;
  }

  #isSame(at: number, stats: SeenStats): boolean {
    return (
      this.#view.getFloat64(at, true) === stats.mtimeMs &&
      this.#view.getFloat64(at + 8, true) === stats.ctimeMs &&
      this.#view.getFloat64(at + 16, true) === stats.ino &&
      this.#view.getFloat64(at + 24, true) === stats.size
    );
  }
}

const FIRST_BYTES = 512;

/** Collects what is to be remembered of one directory. `seenAtMs` is when the import came to it. */
export class SeenFiles {
  readonly #seenAtMs: number;
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #length = FIXED_BYTES;

  constructor(seenAtMs: number) {
    this.#seenAtMs = seenAtMs;
  }

  /** Entries come in ascending order of names. */
  file(name: ByteString, stats: SeenStats, digest: Digest): void {
    const isKept = !this.#isRacy(stats);
    const at = this.#entry(name, "file", isKept ? STATS_BYTES + DIGEST_BYTES : 0);
    if (!isKept) return;
    this.#stats(stats, at);
    this.#bytes.write(digest, at + STATS_BYTES, "hex");
  }

  directory(name: ByteString): void {
    this.#entry(name, "directory", 0);
  }

  symlink(name: ByteString, target: ByteString): void {
    const at = this.#entry(name, "symlink", target.length);
    this.#bytes.write(target, at, "latin1");
  }

  /** The record without its head, good until the next one is made. `isWhole`: no entry of the directory was left out. */
  encode(stats: SeenStats, { digest, size }: DirectoryNode, isWhole: boolean): Uint8Array {
    this.#bytes[0] = CHECKED | (isWhole && !this.#isRacy(stats) ? LISTED : 0);
    this.#stats(stats, 1);
    this.#bytes.write(digest, 1 + STATS_BYTES, "hex");
    this.#bytes.writeDoubleLE(size, 1 + STATS_BYTES + DIGEST_BYTES);
    this.#reserve(CHECK_BYTES);
    this.#bytes.writeUInt32LE(crc32(this.#bytes.subarray(0, this.#length)), this.#length);
    return this.#bytes.subarray(0, this.#length + CHECK_BYTES);
  }

  #isRacy({ mtimeMs, ctimeMs }: SeenStats): boolean {
    return Math.max(mtimeMs, ctimeMs) > this.#seenAtMs - RACY_MS;
  }

  #stats({ mtimeMs, ctimeMs, ino, size }: SeenStats, at: number): void {
    this.#bytes.writeDoubleLE(mtimeMs, at);
    this.#bytes.writeDoubleLE(ctimeMs, at + 8);
    this.#bytes.writeDoubleLE(ino, at + 16);
    this.#bytes.writeDoubleLE(size, at + 24);
  }

  /** Makes room for so many bytes more. */
  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const longer = Buffer.allocUnsafe((this.#length + bytes) * 2);
    longer.set(this.#bytes);
    this.#bytes = longer;
  }

  /** Begins an entry and yields where its details go. */
  #entry(name: ByteString, kind: Node["kind"], detailBytes: number): number {
    const at = this.#length;
    const nameEnd = at + ENTRY_BYTES + name.length;
    this.#reserve(nameEnd + detailBytes - at);
    this.#length = nameEnd + detailBytes;
    this.#bytes[at] = KINDS.indexOf(kind);
    this.#bytes.writeUInt16LE(name.length, at + 1);
    this.#bytes.writeUInt16LE(detailBytes, at + 3);
    this.#bytes.write(name, at + ENTRY_BYTES, "latin1");
    return nameEnd;
  }
}

/** Whether a record says that it ends with a checksum. */
function hasCheck(record: Uint8Array): boolean {
  return record.length >= HEAD_BYTES + FIXED_BYTES + CHECK_BYTES && (record[HEAD_BYTES] & CHECKED) !== 0;
}

/** Whether a record's bytes are others than were written; of one without a checksum nobody knows, and nobody asks it. */
export function isDamaged(record: Uint8Array): boolean {
  if (!hasCheck(record)) return false;
  const end = record.length - CHECK_BYTES;
  const check = new DataView(record.buffer, record.byteOffset + end).getUint32(0, true);
  return crc32(record.subarray(HEAD_BYTES, end)) !== check;
}

/** The key of a directory's record. */
export function statKey(path: ByteString): Buffer {
  return digestKey(digestOf(bytesOf(path)));
}

/** What is remembered of a directory at a host path. */
export function seenDirectory(index: StoreIndex, path: ByteString): SeenDirectory | undefined {
  const record = index.stats.getBinary(statKey(path));
  if (record === undefined) return undefined;
  try {
    return new SeenDirectory(record);
  } catch {
    return undefined;
  }
}
