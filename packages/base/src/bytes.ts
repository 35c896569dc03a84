/*
Bytes and byte strings. A *byte string* is a JavaScript string in which every char is one byte (0 to 255,
Latin-1): Nix strings are bytes, and V8 keeps such strings at one byte a char, so length, order, substring and
equality are exact and cheap. Text is decoded only at the edges: a terminal, JSON, an editor.

Ranges are half open and count bytes. Nothing here keeps a reference to a buffer it was given.
*/

/** A JavaScript string in which every char stands for one byte. The type is a reminder, not a brand. */
export type ByteString = string;

const CHUNK_CHARS = 8192;
/** From here on memory comes from the system and is dear. */
const GIVEN_BACK_BYTES = 64 * 1024;
const utf8Decoder = new TextDecoder("utf-8");
const utf8Encoder = new TextEncoder();

/** The bytes of a byte string, in a new buffer. */
export function bytesOf(text: ByteString): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** The byte string of `bytes[from, to)`. */
export function byteStringOf(bytes: Uint8Array, from = 0, to = bytes.length): ByteString {
  if (to - from <= CHUNK_CHARS) return String.fromCharCode.apply(null, bytes.subarray(from, to) as never);
  let text = "";
  for (let at = from; at < to; at += CHUNK_CHARS) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, Math.min(to, at + CHUNK_CHARS)) as never);
  }
  return text;
}

/** Text for people (UTF-8 decoded, bad sequences replaced) of a byte string. */
export function textOf(text: ByteString): string {
  return isAscii(text) ? text : utf8Decoder.decode(bytesOf(text));
}

/** The byte string holding the UTF-8 encoding of ordinary text, a command-line argument for example. */
export function byteStringOfText(text: string): ByteString {
  return isAscii(text) ? text : byteStringOf(utf8Encoder.encode(text));
}

/** True when every char is below 128, so that text and byte string are the same. */
export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** All parts after one another, in a new buffer. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether two buffers hold the same bytes. Not constant time: for digests of public data. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

/**
 * Gives back the memory of a chunk that is ours and that nobody looks at any more, rather than have the collector find that out; what shares its memory with
 * others, or is short, stays as it is.
 */
export function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= GIVEN_BACK_BYTES && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer)
    buffer.transfer(0);
}

/** Order of two byte strings (or any strings of one-byte chars): negative, 0 or positive, as memcmp then length. */
export function compareByteStrings(left: ByteString, right: ByteString): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
