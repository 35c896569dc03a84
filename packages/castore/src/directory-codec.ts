/*
The canonical encoding of a Directory, whose BLAKE3 is its digest: the Protobuf message castore.v1.Directory with fields in
number order and default values left out. The codec is our own because a digest depends on every byte of it, and a
general Protobuf library promises no canonical form.

    1 directories { 1 name, 2 digest, 3 size }
    2 files       { 1 name, 2 digest, 3 size, 4 executable }
    3 symlinks    { 1 name, 2 target }

Reading accepts only what writing would have produced: one encoding per Directory. The model's other rules are directory.ts's.
*/

import { byteStringOf, type ByteString } from "@firn/base";
import { bytesOfDigest, digestFromBytes } from "./digest.ts";
import { CastoreError } from "./error.ts";
import { DIGEST_BYTES, type DirectoryEntry, type Node } from "./node.ts";

/** Longest encoding of one Directory, in bytes: about a million entries. */
export const DIRECTORY_BYTES_MAX = 64 * 1024 * 1024;

const DIRECTORIES = 0x0a;
const FILES = 0x12;
const SYMLINKS = 0x1a;
const NAME = 0x0a;
const DIGEST_OR_TARGET = 0x12;
const SIZE = 0x18;
const EXECUTABLE = 0x20;

/** Encodes entries that are sorted and keep the rules. The buffer is new. */
export function encodeEntries(entries: readonly DirectoryEntry[]): Uint8Array {
  let length = 0;
  for (const entry of entries) {
    const body = bodyLength(entry);
    length += 1 + varintLength(body) + body;
  }
  if (length > DIRECTORY_BYTES_MAX) {
    throw new CastoreError(
      "limit",
      `a directory takes ${length} bytes encoded, at most ${DIRECTORY_BYTES_MAX} are allowed`,
    );
  }
  const bytes = new Uint8Array(length);
  let at = writeList(bytes, 0, entries, "directory", DIRECTORIES);
  at = writeList(bytes, at, entries, "file", FILES);
  writeList(bytes, at, entries, "symlink", SYMLINKS);
  return bytes;
}

function writeList(
  to: Uint8Array,
  start: number,
  entries: readonly DirectoryEntry[],
  kind: Node["kind"],
  tag: number,
): number {
  let at = start;
  for (const entry of entries) {
    const { name, node } = entry;
    if (node.kind !== kind) continue;
    to[at++] = tag;
    at = writeVarint(to, at, bodyLength(entry));
    at = writeByteString(to, at, NAME, name);
    if (node.kind === "symlink") {
      at = writeByteString(to, at, DIGEST_OR_TARGET, node.target);
      continue;
    }
    to[at++] = DIGEST_OR_TARGET;
    to[at++] = DIGEST_BYTES;
    to.set(bytesOfDigest(node.digest), at);
    at += DIGEST_BYTES;
    if (node.size > 0) {
      to[at++] = SIZE;
      at = writeVarint(to, at, node.size);
    }
    if (node.kind === "file" && node.executable) {
      to[at++] = EXECUTABLE;
      to[at++] = 1;
    }
  }
  return at;
}

function bodyLength({ name, node }: DirectoryEntry): number {
  const named = 1 + varintLength(name.length) + name.length;
  if (node.kind === "symlink") return named + 1 + varintLength(node.target.length) + node.target.length;
  const sized = named + 2 + DIGEST_BYTES + (node.size > 0 ? 1 + varintLength(node.size) : 0);
  return node.kind === "file" && node.executable ? sized + 2 : sized;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

function writeVarint(to: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 128) {
    to[at++] = (rest % 128) | 128; // arithmetic, not shifts: sizes go to 2^53
    rest = Math.floor(rest / 128);
  }
  to[at++] = rest;
  return at;
}

function writeByteString(to: Uint8Array, start: number, tag: number, text: ByteString): number {
  let at = start;
  to[at++] = tag;
  at = writeVarint(to, at, text.length);
  for (let i = 0; i < text.length; i++) to[at++] = text.charCodeAt(i);
  return at;
}

/** Decodes the canonical encoding, in the order of the encoding: directories, files, symlinks. Throws `malformed` for any other bytes. */
export function decodeEntries(bytes: Uint8Array): DirectoryEntry[] {
  if (bytes.length > DIRECTORY_BYTES_MAX) {
    throw new CastoreError(
      "limit",
      `an encoded directory has ${bytes.length} bytes, at most ${DIRECTORY_BYTES_MAX} are allowed`,
    );
  }
  const wire = new Wire(bytes);
  const entries: DirectoryEntry[] = [];
  let list = DIRECTORIES;
  let nameBefore: ByteString | undefined;
  while (!wire.ended(bytes.length)) {
    const tag = wire.byte(bytes.length);
    if (tag !== DIRECTORIES && tag !== FILES && tag !== SYMLINKS) throw wire.malformed(`an unknown field (tag ${tag})`);
    if (tag < list) throw wire.malformed("lists out of order");
    if (tag > list) {
      list = tag;
      nameBefore = undefined;
    }
    const end = wire.lengthEnd(bytes.length);
    const entry = readEntry(wire, tag, end);
    if (nameBefore !== undefined && entry.name <= nameBefore) {
      throw wire.malformed(entry.name === nameBefore ? "a name twice" : "names that are not sorted");
    }
    nameBefore = entry.name;
    entries.push(entry);
  }
  return entries;
}

function readEntry(wire: Wire, list: number, end: number): DirectoryEntry {
  const name = wire.byteString(NAME, end, "a name");
  if (list === SYMLINKS) {
    const target = wire.byteString(DIGEST_OR_TARGET, end, "a target");
    if (!wire.ended(end)) throw wire.malformed("an unknown or repeated field in a symlink");
    return { name, node: { kind: "symlink", target } };
  }
  wire.expect(DIGEST_OR_TARGET, end, "a digest");
  const digestEnd = wire.lengthEnd(end);
  if (digestEnd - wire.at !== DIGEST_BYTES) throw wire.malformed(`a digest of ${digestEnd - wire.at} bytes`);
  const digest = digestFromBytes(wire.bytes.subarray(wire.at, digestEnd));
  wire.at = digestEnd;
  let size = 0;
  if (wire.skip(SIZE, end)) {
    size = wire.varint(end);
    if (size === 0) throw wire.malformed("a size of 0 written out");
  }
  if (list === DIRECTORIES) {
    if (!wire.ended(end)) throw wire.malformed("an unknown or repeated field in a directory");
    return { name, node: { kind: "directory", digest, size } };
  }
  const executable = wire.skip(EXECUTABLE, end);
  if (executable && wire.byte(end) !== 1) throw wire.malformed("an executable bit that is not 1");
  if (!wire.ended(end)) throw wire.malformed("an unknown or repeated field in a file");
  return { name, node: { kind: "file", digest, size, executable } };
}

class Wire {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  ended(end: number): boolean {
    return this.at === end;
  }

  byte(end: number): number {
    if (this.at >= end) throw this.malformed("an end in the middle of a field");
    return this.bytes[this.at++];
  }

  skip(tag: number, end: number): boolean {
    if (this.at >= end || this.bytes[this.at] !== tag) return false;
    this.at++;
    return true;
  }

  expect(tag: number, end: number, what: string): void {
    if (!this.skip(tag, end)) throw this.malformed(`no ${what.slice(what.indexOf(" ") + 1)} where one must be`);
  }

  varint(end: number): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte(end);
      value += (byte & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw this.malformed("a number above 2^53-1");
      if (byte < 128) {
        if (byte === 0 && scale > 1) throw this.malformed("a number written longer than needed");
        return value;
      }
      scale *= 128;
      if (scale > Number.MAX_SAFE_INTEGER) throw this.malformed("a number above 2^53-1");
    }
  }

  lengthEnd(end: number): number {
    const length = this.varint(end);
    if (length > end - this.at) throw this.malformed("a length beyond the end");
    return this.at + length;
  }

  byteString(tag: number, end: number, what: string): ByteString {
    this.expect(tag, end, what);
    const stringEnd = this.lengthEnd(end);
    const text = byteStringOf(this.bytes, this.at, stringEnd);
    this.at = stringEnd;
    return text;
  }

  malformed(what: string): CastoreError {
    return new CastoreError("malformed", `not a canonical directory: ${what} before byte ${this.at}`, {
      context: { offset: this.at },
    });
  }
}
