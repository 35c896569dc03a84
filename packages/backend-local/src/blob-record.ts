/*
What the index says of a blob, behind the record's head: its contents, or of which chunks it consists. The formats are those of
docs/formats/local-store.md.
*/

import { CastoreError, type ChunkMeta, type Digest } from "@firn/castore";
import { toHex } from "@firn/hash";
import { HEAD_BYTES } from "./record-head.ts";

/**
 * Contents up to this long live in the index. More than a first guess of 1 KiB: half of all source files are between that and this
 * (docs/formats/local-store.md has the figures).
 */
export const INLINE_BYTES_MAX = 16 * 1024;

const INLINE = 0;
const CHUNKED = 1;
const KIND_AT = HEAD_BYTES;
const SIZE_AT = KIND_AT + 1;
const LIST_AT = SIZE_AT + 8;
const LIST_ENTRY_BYTES = 32 + 4;

/** What stands before inline contents: an empty head and the kind. */
export const INLINE_HEAD = new Uint8Array([0, 0, 0, 0, INLINE]);

export type BlobRecord =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | { readonly kind: "chunked"; readonly size: number; readonly chunks: readonly ChunkMeta[] };

/** The record, with an empty head, of a blob that consists of these chunks. */
export function encodeChunkedRecord(size: number, chunks: readonly ChunkMeta[]): Uint8Array {
  const bytes = Buffer.alloc(LIST_AT + chunks.length * LIST_ENTRY_BYTES);
  bytes[KIND_AT] = CHUNKED;
  bytes.writeBigUInt64LE(BigInt(size), SIZE_AT);
  chunks.forEach((chunk, i) => {
    const at = LIST_AT + i * LIST_ENTRY_BYTES;
    bytes.write(chunk.digest, at, "hex");
    bytes.writeUInt32LE(chunk.size, at + 32);
  });
  return bytes;
}

/** Reads a record. Inline contents are a view of `bytes`, unverified, and no Buffer even when that is one. Throws `corrupt`. */
export function decodeBlobRecord(bytes: Uint8Array, digest: string): BlobRecord {
  if (bytes.length > KIND_AT && bytes[KIND_AT] === INLINE) {
    const start = bytes.byteOffset + SIZE_AT;
    return { kind: "inline", bytes: new Uint8Array(bytes.buffer, start, bytes.length - SIZE_AT) };
  }
  const count = (bytes.length - LIST_AT) / LIST_ENTRY_BYTES;
  if (bytes[KIND_AT] === CHUNKED && Number.isInteger(count) && count >= 1) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const size = Number(view.getBigUint64(SIZE_AT, true));
    const chunks: ChunkMeta[] = [];
    let sum = 0;
    for (let at = LIST_AT; at < bytes.length; at += LIST_ENTRY_BYTES) {
      const chunk = { digest: toHex(bytes.subarray(at, at + 32)) as Digest, size: view.getUint32(at + 32, true) };
      chunks.push(chunk);
      sum += chunk.size;
    }
    if (sum === size) return { kind: "chunked", size, chunks };
  }
  throw new CastoreError("corrupt", `the record of blob ${digest} is damaged`, { context: { digest } });
}

/** The chunks a record in `blobs` names; none when the contents are inline. For walks over records: throws `corrupt` as reading does. */
export function chunkListOf(record: Uint8Array): readonly ChunkMeta[] {
  const decoded = decodeBlobRecord(record, "in a walk over the index");
  return decoded.kind === "inline" ? [] : decoded.chunks;
}
