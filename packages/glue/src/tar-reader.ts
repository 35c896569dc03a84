/*
Reading tar archives as a stream: POSIX ustar with pax headers, and GNU's long names. Owners, times and all of a mode but the owner's x bit are
left aside, because store objects have none.
*/

import { assert, type ByteString, byteStringOf, type ByteStream, concatBytes } from "@firn/base";
import { GlueError } from "./error.ts";

export type TarEntry = {
  /** As written: not checked, may begin with `./` or `/`. */
  readonly path: ByteString;
  readonly executable: boolean;
} & (
  | { readonly kind: "directory" }
  | { readonly kind: "symlink" | "hard-link"; readonly target: ByteString }
  /** `contents` must be read to its end before the next entry is asked for. */
  | { readonly kind: "file"; readonly size: number; readonly contents: ByteStream }
);

const BLOCK_BYTES = 512;
/** Longest pax header or GNU long name, in bytes. */
const HEADER_BYTES_MAX = 1024 * 1024;

/** Fields that came in headers of their own, for the next entry or, `g`, for all that follow. */
type Extra = ReadonlyMap<string, ByteString>;

const NONE: Extra = new Map();

/** The entries of an archive in its order. Throws `fetch-failed` when it is damaged or holds what no store object can be. */
export async function* readTar(stream: ByteStream): AsyncGenerator<TarEntry, void> {
  const bytes = new ByteQueue(stream);
  let global: Extra = NONE;
  let extra: Extra = NONE;
  for (;;) {
    const header = await bytes.take(BLOCK_BYTES, true);
    if (header === undefined || header.every((byte) => byte === 0)) return;
    checkSum(header);
    const type = String.fromCharCode(header[156] === 0 ? 0x30 : header[156]);
    const size = sizeOf(header, extra);
    if (type === "x" || type === "g" || type === "L" || type === "K") {
      if (size > HEADER_BYTES_MAX) throw damaged(`a header of ${size} bytes, at most ${HEADER_BYTES_MAX} are read`);
      const text = byteStringOf((await bytes.take(size)) as Uint8Array);
      await bytes.take(padding(size));
      if (type === "g") global = new Map([...global, ...paxFields(text)]);
      else if (type === "x") extra = new Map([...extra, ...paxFields(text)]);
      else extra = new Map([...extra, [type === "L" ? "path" : "linkpath", text.replace(/\0.*$/s, "")] as const]);
      continue;
    }
    const path = extra.get("path") ?? global.get("path") ?? nameOf(header);
    const target = extra.get("linkpath") ?? global.get("linkpath") ?? field(header, 157, 100);
    const executable = (numberIn(header, 100, 8) & 0o100) !== 0;
    if ([...extra.keys()].some((key) => key.startsWith("GNU.sparse.")) || type === "S")
      throw damaged(`'${path}' is stored as a sparse file: write the archive without --sparse`);
    extra = NONE;
    if (type === "0" || type === "7") {
      const contents = bytes.stream(size);
      yield { kind: "file", path, executable, size, contents };
      assert(bytes.left === 0, "an entry's contents are read before the next entry");
      await bytes.take(padding(size));
    } else {
      if (type === "5") yield { kind: "directory", path, executable };
      else if (type === "1") yield { kind: "hard-link", path, executable, target };
      else if (type === "2") yield { kind: "symlink", path, executable, target };
      else throw damaged(`'${path}' is neither file, directory nor link (type '${type}')`);
      await bytes.take(size + padding(size));
    }
  }
}

function padding(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

function field(header: Uint8Array, from: number, length: number): ByteString {
  const text = byteStringOf(header.subarray(from, from + length));
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

/** A prefix goes before the name in ustar archives; GNU's use its place otherwise. */
function nameOf(header: Uint8Array): ByteString {
  const name = field(header, 0, 100);
  const prefix = byteStringOf(header.subarray(257, 263)) === "ustar\0" ? field(header, 345, 155) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** Octal, or with the first bit set a big-endian number. */
function numberIn(header: Uint8Array, from: number, length: number): number {
  if ((header[from] & 0x80) === 0) {
    const text = field(header, from, length).trim();
    if (!/^[0-7]*$/.test(text)) throw damaged(`'${text}' is no octal number`);
    return text === "" ? 0 : Number.parseInt(text, 8);
  }
  let value = header[from] & 0x7f;
  for (let i = 1; i < length; i++) value = value * 256 + header[from + i];
  if (!Number.isSafeInteger(value)) throw damaged("a number is too large");
  return value;
}

function sizeOf(header: Uint8Array, extra: Extra): number {
  const text = extra.get("size");
  const size = text === undefined ? numberIn(header, 124, 12) : Number(text);
  if (!Number.isSafeInteger(size) || size < 0) throw damaged(`'${text}' is no size`);
  return size;
}

function checkSum(header: Uint8Array): void {
  let sum = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) sum += i >= 148 && i < 156 ? 0x20 : header[i];
  if (sum !== numberIn(header, 148, 8)) throw damaged("the checksum of a header is wrong");
}

/** Records `<length> <key>=<value>\n`. */
function paxFields(text: ByteString): Map<string, ByteString> {
  const fields = new Map<string, ByteString>();
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(" ", at);
    const length = Number(text.slice(at, space));
    if (space < 0 || !Number.isSafeInteger(length) || length <= space - at || at + length > text.length)
      throw damaged("a pax header is malformed");
    const record = text.slice(space + 1, at + length - 1);
    const equals = record.indexOf("=");
    fields.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return fields;
}

/** A stream of bytes taken in pieces of wanted lengths. */
class ByteQueue {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk = new Uint8Array(0);
  /** Bytes of the entry under way that were not read yet. */
  left = 0;

  constructor(stream: ByteStream) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Up to `max` bytes, at least one; undefined at the end. */
  async #some(max: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return undefined;
      this.#chunk = next.value.slice();
    }
    const some = this.#chunk.subarray(0, max);
    this.#chunk = this.#chunk.subarray(some.length);
    return some;
  }

  /** Exactly that many bytes; undefined when `mayEnd` and nothing is left. */
  async take(length: number, mayEnd = false): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const some = await this.#some(left);
      if (some === undefined) {
        if (mayEnd && parts.length === 0) return undefined;
        throw damaged("it ends too early");
      }
      parts.push(some);
      left -= some.length;
    }
    return concatBytes(parts);
  }

  async *stream(length: number): ByteStream {
    this.left = length;
    while (this.left > 0) {
      const some = await this.#some(this.left);
      if (some === undefined) throw damaged("it ends too early");
      this.left -= some.length;
      yield some;
    }
  }
}

function damaged(why: string): GlueError {
  return new GlueError("fetch-failed", `the tar archive cannot be read: ${why}`);
}
