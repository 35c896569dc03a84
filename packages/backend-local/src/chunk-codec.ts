/*
How a chunk is written: as it is, or as a zstd frame of level 1 where that saves at least a tenth. Most of what a store holds of large files
is compressed already, and trying costs more than hashing, so a sample of the bytes is looked at first: what spreads evenly over all
values will not shrink.
*/

import { zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync, constants } from "node:zlib";
import { promisify } from "node:util";
import { CastoreError, type Digest, digestOf } from "@firn/castore";
import type { ChunkCodec, ChunkRecord } from "./chunk-record.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize: 64 * 1024 };

/** Of 8: random bytes have 7.95 in a sample of this size, machine code about 6. */
const ENTROPY_BITS_MAX = 7.8;
const SAMPLE_BYTES = 4096;

export type EncodedChunk = { readonly codec: ChunkCodec; readonly stored: Uint8Array };

/** Chunks up to this long are stored as they are: a frame of their own would save little and cost a turn of the thread pool. */
const RAW_BYTES_MAX = 16 * 1024;

/** Up to this length a frame is made sooner than the thread pool could be asked for it. */
const AT_ONCE_BYTES_MAX = 64 * 1024;

/** The chunk as it is to be stored, a new buffer or `bytes` themselves; undefined when it is to be given to `compressChunk`. */
export function encodeChunkAtOnce(bytes: Uint8Array): EncodedChunk | undefined {
  if (!looksCompressible(bytes)) return { codec: "raw", stored: bytes };
  return bytes.length > AT_ONCE_BYTES_MAX ? undefined : pick(bytes, zstdCompressSync(bytes, OPTIONS));
}

/** The same on the thread pool, of a chunk that looks as if it would shrink. */
export async function compressChunk(bytes: Uint8Array): Promise<EncodedChunk> {
  return pick(bytes, await compress(bytes, OPTIONS));
}

function pick(bytes: Uint8Array, compressed: Uint8Array): EncodedChunk {
  return compressed.length * 10 <= bytes.length * 9
    ? { codec: "zstd", stored: compressed }
    : { codec: "raw", stored: bytes };
}

const counts = new Uint32Array(256);

/** Whether it is worth while to try: the bytes are many, and a sample of them has less entropy than random ones. */
export function looksCompressible(bytes: Uint8Array): boolean {
  if (bytes.length <= RAW_BYTES_MAX) return false;
  counts.fill(0);
  // In runs of 64, so that files of records are not met at the same field each time.
  const runs = SAMPLE_BYTES / 64;
  const stride = Math.max(64, Math.floor(bytes.length / runs));
  let sampled = 0;
  for (let run = 0; run < bytes.length && sampled < SAMPLE_BYTES; run += stride) {
    const end = Math.min(run + 64, bytes.length);
    for (let at = run; at < end; at++) counts[bytes[at]]++;
    sampled += end - run;
  }
  let bits = 0;
  for (let value = 0; value < 256; value++)
    if (counts[value] > 0) bits -= (counts[value] / sampled) * Math.log2(counts[value] / sampled);
  return bits < ENTROPY_BITS_MAX;
}

/** The chunk out of what was stored of it, verified; `corrupt` when it is another. */
export async function decodeChunk(stored: Uint8Array, record: ChunkRecord, digest: Digest): Promise<Uint8Array> {
  if (record.codec === "raw") return checked(stored, record, digest);
  try {
    return checked(await decompress(stored, decodeOptions(record)), record, digest);
  } catch (thrown) {
    throw damaged(digest, thrown);
  }
}

/** The same without leaving the call. */
export function decodeChunkSync(stored: Uint8Array, record: ChunkRecord, digest: Digest): Uint8Array {
  if (record.codec === "raw") return checked(stored, record, digest);
  try {
    return checked(zstdDecompressSync(stored, decodeOptions(record)), record, digest);
  } catch (thrown) {
    throw damaged(digest, thrown);
  }
}

/** One output buffer as long as the chunk, and a little for the end of the frame: by itself zlib would join many of 16 KiB. */
function decodeOptions({ size }: ChunkRecord): { maxOutputLength: number; chunkSize: number } {
  return { maxOutputLength: size, chunkSize: Math.max(size, 64) + 64 };
}

function checked(bytes: Uint8Array, { size }: ChunkRecord, digest: Digest): Uint8Array {
  if (bytes.length !== size || digestOf(bytes) !== digest) throw damaged(digest);
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}

function damaged(digest: Digest, cause?: unknown): CastoreError {
  if (cause instanceof CastoreError) return cause;
  return new CastoreError("corrupt", `chunk ${digest} is damaged: what is stored of it is something else`, {
    cause,
    context: { digest },
  });
}
