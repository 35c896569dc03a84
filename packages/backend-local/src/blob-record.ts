/*
What the index says of a blob: its contents, or that it is a whole file of so many bytes. First byte 0: the contents follow. First
byte 1: eight bytes of little-endian length follow, and the file is blobs/<first two digits>/<digest>.
*/

import { CastoreError } from "@firn/castore";

/**
 * Contents up to this long live in the index. More than a first guess of 1 KiB: half of all source files are between that and this, and
 * a file of its own costs a flush each (docs/formats/local-store.md has the figures).
 */
export const INLINE_BYTES_MAX = 16 * 1024;

const INLINE = 0;
const FILE = 1;

/** The head of an inline record, which the contents follow. */
export const INLINE_HEAD = new Uint8Array([INLINE]);

export type BlobRecord =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly size: number };

export function encodeFileRecord(size: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = FILE;
  new DataView(bytes.buffer).setBigUint64(1, BigInt(size), true);
  return bytes;
}

/** Reads a record. Inline contents are a view of `bytes`, unverified, and no Buffer even when that is one. Throws `corrupt`. */
export function decodeBlobRecord(bytes: Uint8Array, digest: string): BlobRecord {
  if (bytes[0] === INLINE)
    return { kind: "inline", bytes: new Uint8Array(bytes.buffer, bytes.byteOffset + 1, bytes.length - 1) };
  if (bytes[0] === FILE && bytes.length === 9) {
    const size = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(1, true));
    if (Number.isSafeInteger(size)) return { kind: "file", size };
  }
  throw new CastoreError("corrupt", `the record of blob ${digest} is damaged`, { context: { digest } });
}
