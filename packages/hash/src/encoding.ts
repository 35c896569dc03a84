/*
Digests as text: base 16, Nix's base 32, base 64. Decoders answer undefined for text that is not of the encoding;
the caller knows what the text was meant to be and words the error.

Nix's base 32 is not RFC 4648: its alphabet leaves out e, o, t and u, and it writes the *last* five bits first, as if the
bytes were one little-endian number printed from its highest digit.
*/

const HEX_DIGITS = "0123456789abcdef";
const NIX_BASE32_DIGITS = "0123456789abcdfghijklmnpqrsvwxyz";
const BASE64_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NOT_A_DIGIT = 255;

const HEX_PAIRS = Array.from({ length: 256 }, (_, byte) => HEX_DIGITS[byte >> 4] + HEX_DIGITS[byte & 15]);
const HEX_VALUES = valuesOf(HEX_DIGITS);
for (let i = 10; i < 16; i++) HEX_VALUES[HEX_DIGITS[i].toUpperCase().charCodeAt(0)] = i;
const NIX_BASE32_VALUES = valuesOf(NIX_BASE32_DIGITS);
const BASE64_VALUES = valuesOf(BASE64_DIGITS);

function valuesOf(digits: string): Uint8Array {
  const values = new Uint8Array(256).fill(NOT_A_DIGIT);
  for (let i = 0; i < digits.length; i++) values[digits.charCodeAt(i)] = i;
  return values;
}

/** The value of the digit at `at`, or 255. Chars above one byte are no digit. */
function digitAt(values: Uint8Array, text: string, at: number): number {
  const char = text.charCodeAt(at);
  return char < 256 ? values[char] : NOT_A_DIGIT;
}

/** Lower-case base 16. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += HEX_PAIRS[bytes[i]];
  return text;
}

/** The bytes of base 16 in either case, or undefined. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = digitAt(HEX_VALUES, text, 2 * i);
    const low = digitAt(HEX_VALUES, text, 2 * i + 1);
    if (high === NOT_A_DIGIT || low === NOT_A_DIGIT) return undefined;
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

/** How many base-32 characters `length` bytes take. */
export function nixBase32Length(length: number): number {
  return Math.ceil((length * 8) / 5);
}

/** Nix's base 32. Follows base32::encode. */
export function toNixBase32(bytes: Uint8Array): string {
  let text = "";
  for (let digit = nixBase32Length(bytes.length) - 1; digit >= 0; digit--) {
    const bit = digit * 5;
    const at = bit >> 3;
    const shift = bit & 7;
    const next = at + 1 < bytes.length ? bytes[at + 1] : 0;
    text += NIX_BASE32_DIGITS[((bytes[at] >> shift) | (next << (8 - shift))) & 31];
  }
  return text;
}

/** The bytes of Nix's base 32, or undefined: also for a length no encoding has, and for spare bits that are not zero. */
export function fromNixBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  if (nixBase32Length(bytes.length) !== text.length) return undefined;
  for (let digit = 0; digit < text.length; digit++) {
    const value = digitAt(NIX_BASE32_VALUES, text, text.length - 1 - digit);
    if (value === NOT_A_DIGIT) return undefined;
    const bit = digit * 5;
    const at = bit >> 3;
    const shift = bit & 7;
    bytes[at] |= value << shift;
    const carry = value >> (8 - shift);
    if (at + 1 < bytes.length) bytes[at + 1] |= carry;
    else if (carry !== 0) return undefined;
  }
  return bytes;
}

/** Base 64 (RFC 4648, standard alphabet) with padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  let at = 0;
  for (; at + 2 < bytes.length; at += 3) {
    const group = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    text += BASE64_DIGITS[group >> 18] + BASE64_DIGITS[(group >> 12) & 63] + BASE64_DIGITS[(group >> 6) & 63];
    text += BASE64_DIGITS[group & 63];
  }
  if (at < bytes.length) {
    const two = at + 1 < bytes.length;
    const group = (bytes[at] << 16) | (two ? bytes[at + 1] << 8 : 0);
    text += BASE64_DIGITS[group >> 18] + BASE64_DIGITS[(group >> 12) & 63];
    text += two ? `${BASE64_DIGITS[(group >> 6) & 63]}=` : "==";
  }
  return text;
}

/**
 * The bytes of base 64, as lenient as C++ Nix's base64Decode: padding may be absent, everything after the first `=` and
 * spare bits at the end are ignored, line feeds are skipped. Callers check the length. undefined for any other character.
 */
export function fromBase64(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let length = 0;
  let pending = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "=") break;
    if (char === "\n") continue;
    const value = digitAt(BASE64_VALUES, text, i);
    if (value === NOT_A_DIGIT) return undefined;
    pending = ((pending << 6) | value) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[length++] = pending >> bits;
    }
  }
  return length === bytes.length ? bytes : bytes.slice(0, length);
}
