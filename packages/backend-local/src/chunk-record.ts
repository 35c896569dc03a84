/*
What the index says of a chunk, behind the record's head: how its bytes are stored and where. The format is that of docs/formats/local-store.md.
*/

import { CastoreError } from "@firn/castore";
import { HEAD_BYTES } from "./record-head.ts";

/** As it is, or one zstd frame. */
export type ChunkCodec = "raw" | "zstd";

export type ChunkRecord = {
  readonly codec: ChunkCodec;
  /** Number of the pack. */
  readonly pack: number;
  /** Where in the pack the stored bytes begin. */
  readonly offset: number;
  readonly storedBytes: number;
  /** Length of the chunk itself. */
  readonly size: number;
};

/** Longest chunk that is stored or read, in bytes: twice what our own cutting makes. */
export const CHUNK_RECORD_BYTES_MAX = 1024 * 1024;

const RECORD_BYTES = HEAD_BYTES + 1 + 4 + 8 + 4 + 4;

/** The record with an empty head. */
export function encodeChunkRecord({ codec, pack, offset, storedBytes, size }: ChunkRecord): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[HEAD_BYTES] = codec === "raw" ? 0 : 1;
  view.setUint32(HEAD_BYTES + 1, pack, true);
  view.setBigUint64(HEAD_BYTES + 5, BigInt(offset), true);
  view.setUint32(HEAD_BYTES + 13, storedBytes, true);
  view.setUint32(HEAD_BYTES + 17, size, true);
  return bytes;
}

/** Reads a record; throws `corrupt`. */
export function decodeChunkRecord(bytes: Uint8Array, digest: string): ChunkRecord {
  if (bytes.length === RECORD_BYTES && bytes[HEAD_BYTES] <= 1) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const codec = bytes[HEAD_BYTES] === 0 ? "raw" : "zstd";
    const pack = view.getUint32(HEAD_BYTES + 1, true);
    const offset = Number(view.getBigUint64(HEAD_BYTES + 5, true));
    const storedBytes = view.getUint32(HEAD_BYTES + 13, true);
    const size = view.getUint32(HEAD_BYTES + 17, true);
    const fits = codec === "raw" ? storedBytes === size : storedBytes < size;
    if (fits && size <= CHUNK_RECORD_BYTES_MAX) return { codec, pack, offset, storedBytes, size };
  }
  throw new CastoreError("corrupt", `the record of chunk ${digest} is damaged`, { context: { digest } });
}
