/*
UTF-8 in byte strings: whether and how far one is valid, and the bytes of a code point.
*/

import type { ByteString } from "@firn/base";

/** Whether `text` is valid UTF-8. */
export function isUtf8(text: ByteString): boolean {
  return utf8Mistake(text) === undefined;
}

/**
 * Where `text` stops being valid UTF-8 (overlong forms, surrogates and code points above 10FFFF are not): the first byte that cannot come there, or the
 * length, when only more bytes could make it valid.
 */
export function utf8Mistake(text: ByteString): number | undefined {
  for (let i = 0; i < text.length; ) {
    const lead = text.charCodeAt(i++);
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return i - 1;
    const second = text.charCodeAt(i);
    // The second byte's range is narrower after some leads.
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (!(second >= low && second <= high)) return i;
    const length = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    for (let n = 1; n < length; n++) if ((text.charCodeAt(i + n) & 0xc0) !== 0x80) return i + n;
    i += length;
  }
  return undefined;
}

/** The UTF-8 bytes of a code point. */
export function utf8OfCodePoint(point: number): ByteString {
  if (point < 0x80) return String.fromCharCode(point);
  if (point < 0x800) return String.fromCharCode(0xc0 | (point >> 6), 0x80 | (point & 63));
  if (point < 0x10000)
    return String.fromCharCode(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
  return String.fromCharCode(
    0xf0 | (point >> 18),
    0x80 | ((point >> 12) & 63),
    0x80 | ((point >> 6) & 63),
    0x80 | (point & 63),
  );
}
