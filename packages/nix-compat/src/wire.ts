/*
The two tokens that Nix's binary formats and protocols are made of: 64-bit little-endian integers, and strings as length, bytes and zeros up to a
multiple of eight. A NAR has them as well; its reader and writer are their own, since they are the hot ones.

Every length is checked before anything is read, and a whole message may be bounded (`begin`), so what comes from outside never takes more memory
than its limit says.
*/

import { type ByteSource, type ByteStream, type ByteString, byteStringOf } from "@firn/base";
import { NixCompatError } from "./error.ts";
import { narPadding } from "./nar.ts";
import { NarParser } from "./nar-reader.ts";

/** Longest store path, in bytes. */
export const WIRE_PATH_BYTES_MAX = 4096;

/** Reads tokens. What it throws about malformed bytes is made by `fail`; limits are `limit`. */
export class WireReader {
  readonly #source: ByteSource;
  readonly #fail: (what: string) => NixCompatError;
  #messageEnd = Number.POSITIVE_INFINITY;
  #messageBytesMax = 0;

  constructor(source: ByteSource, fail: (what: string) => NixCompatError) {
    this.#source = source;
    this.#fail = fail;
  }

  /** From here on at most so many bytes are read as tokens, until the next call. */
  begin(bytesMax: number): void {
    this.#messageBytesMax = bytesMax;
    this.#messageEnd = this.#source.offset + bytesMax;
  }

  /** Whether the stream ends here, where a new message may begin. */
  async atEnd(): Promise<boolean> {
    const chunk = await this.#source.next();
    if (chunk === undefined) return true;
    this.#source.unread(chunk);
    return false;
  }

  /** An integer below 2^53; `what` names it in the message for a larger one. */
  async integer(what = "integer"): Promise<number> {
    const value = await this.integer64();
    if (value > Number.MAX_SAFE_INTEGER) throw new NixCompatError("limit", `the ${what} is above 2^53`);
    return Number(value);
  }

  /** Any integer, unsigned. */
  async integer64(): Promise<bigint> {
    const bytes = await this.#exactly(8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  }

  /** 0 or 1; as in Nix any other integer is true. */
  async flag(): Promise<boolean> {
    return (await this.integer64()) !== 0n;
  }

  /** How many items follow. */
  async count(max: number, what: string): Promise<number> {
    const count = await this.integer64();
    if (count > max) throw new NixCompatError("limit", `${count} ${what}, the limit is ${max}`);
    return Number(count);
  }

  async text(bytesMax: number, what: string): Promise<ByteString> {
    return byteStringOf(await this.bytes(bytesMax, what));
  }

  /** The bytes of a string; views of what came in, good until the next read. */
  async bytes(bytesMax: number, what: string): Promise<Uint8Array> {
    const length = await this.integer64();
    if (length > bytesMax) {
      throw new NixCompatError("limit", `a ${what} is ${length} bytes long, the limit is ${bytesMax}`);
    }
    const bytes = Number(length);
    const padded = await this.#exactly(bytes + narPadding(bytes));
    for (let at = bytes; at < padded.length; at++) if (padded[at] !== 0) throw this.#fail("padding is not zero");
    return padded.subarray(0, bytes);
  }

  /** So many bytes as they come, without padding. */
  async *raw(length: number): ByteStream {
    for (let lacking = length; lacking > 0; ) {
      const chunk = await this.#source.next();
      if (chunk === undefined) throw this.#cut();
      const part = chunk.subarray(0, lacking);
      if (part.length < chunk.length) this.#source.unread(chunk.subarray(part.length));
      lacking -= part.length;
      yield part;
    }
  }

  /** The bytes of one NAR, which says by itself where it ends. Throws `invalid-nar`. */
  async *nar(): ByteStream {
    const parser = new NarParser({ followed: true });
    while (!parser.done) {
      const chunk = await this.#source.next();
      if (chunk === undefined) throw this.#cut();
      for (const _ of parser.feed(chunk)) {
        // only its end is asked for
      }
      const used = parser.done ? chunk.length - parser.rest.length : chunk.length;
      if (parser.done) this.#source.unread(parser.rest);
      yield chunk.subarray(0, used);
    }
  }

  #exactly(length: number): Promise<Uint8Array> {
    if (this.#source.offset + length > this.#messageEnd)
      throw new NixCompatError("limit", `a message is longer than ${this.#messageBytesMax} bytes`);
    return this.#source.exactly(length, () => this.#cut());
  }

  #cut(): NixCompatError {
    return this.#fail("the stream ends in the middle");
  }
}

/** Gathers tokens. */
export class WireWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  integer(value: number | bigint): this {
    this.#grow(8);
    new DataView(this.#bytes.buffer).setBigUint64(this.#length, BigInt.asUintN(64, BigInt(value)), true);
    this.#length += 8;
    return this;
  }

  flag(value: boolean): this {
    return this.integer(value ? 1 : 0);
  }

  text(text: ByteString): this {
    this.integer(text.length);
    const padded = text.length + narPadding(text.length);
    this.#grow(padded);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#length + i] = text.charCodeAt(i);
    this.#length += padded;
    return this;
  }

  /** A string of these bytes. */
  bytes(bytes: Uint8Array): this {
    this.integer(bytes.length);
    this.#grow(bytes.length + narPadding(bytes.length));
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length + narPadding(bytes.length);
    return this;
  }

  /** What was gathered since the last call, in a buffer of its own. */
  take(): Uint8Array {
    const bytes = this.#bytes.slice(0, this.#length);
    this.#bytes.fill(0, 0, this.#length);
    this.#length = 0;
    return bytes;
  }

  /** What is beyond `#length` is zero always, so padding needs no writing. */
  #grow(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
