/*
The children of an encoded directory, without making a Directory of it: garbage collection looks at hundreds of thousands and wants nothing but
digests. The bytes must be canonical and verified; what is malformed is refused, but not every rule of the codec is checked again.
*/

import { CastoreError } from "./error.ts";
import { DIGEST_BYTES } from "./node.ts";

const DIRECTORIES = 0x0a;
const FILES = 0x12;
const SYMLINKS = 0x1a;

/**
 * Calls `visit` for each child directory and file of the encoding in `bytes[from, to)` with where in `bytes` its 32-byte digest begins. Throws
 * `malformed`.
 */
export function scanChildren(
  bytes: Uint8Array,
  from: number,
  to: number,
  visit: (kind: "directory" | "file", digestAt: number) => void,
): void {
  let at = from;
  const length = (end: number): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= end || scale > 2 ** 28) throw malformed(at - from);
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    if (value > end - at) throw malformed(at - from);
    return value;
  };
  while (at < to) {
    const list = bytes[at++];
    if (list !== DIRECTORIES && list !== FILES && list !== SYMLINKS) throw malformed(at - from);
    const end = length(to) + at;
    if (list !== SYMLINKS) {
      at++; // the name's tag
      const nameBytes = length(end);
      at += nameBytes;
      at++; // the digest's tag
      if (length(end) !== DIGEST_BYTES) throw malformed(at - from);
      visit(list === DIRECTORIES ? "directory" : "file", at);
    }
    at = end;
  }
}

function malformed(offset: number): CastoreError {
  return new CastoreError("malformed", `not an encoded directory: trouble before byte ${offset}`, {
    context: { offset },
  });
}
