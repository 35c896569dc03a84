/*
Zstandard by Node, off the main thread, with a bound on what comes out: an object may claim to be much longer than it is.
*/

import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { messageOf } from "@firn/base";
import { CastoreError } from "@firn/castore";

const compressed = promisify(zstdCompress);
const decompressed = promisify(zstdDecompress);
const LEVEL = 3;
/**
 * Output is gathered in buffers of this length at most, where Node's own would be 16 KiB, which costs three times as much as zstd does. The spare bytes
 * are for output that fills a buffer exactly: it would get a second one.
 */
const OUTPUT_BYTES_MAX = 512 * 1024;
const OUTPUT_BYTES_MIN = 16 * 1024;
const OUTPUT_SPARE_BYTES = 64;

export async function compress(bytes: Uint8Array): Promise<Uint8Array> {
  return compressed(bytes, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } });
}

/** `corrupt` for bytes that are no zstd, or would be longer than `bytesMax`. `what` is for messages. */
export async function decompress(bytes: Uint8Array, bytesMax: number, what: string): Promise<Uint8Array> {
  try {
    const chunkSize = Math.min(Math.max(4 * bytes.length, OUTPUT_BYTES_MIN), OUTPUT_BYTES_MAX) + OUTPUT_SPARE_BYTES;
    return new Uint8Array(await decompressed(bytes, { maxOutputLength: bytesMax, chunkSize }));
  } catch (thrown) {
    throw new CastoreError("corrupt", `${what} is damaged: ${messageOf(thrown)}`, { cause: thrown });
  }
}
