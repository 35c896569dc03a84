/*
The object that says a blob is there and of which chunks it is made: the Protobuf message castore.v1.StatBlobResponse.

    2 chunks { 1 digest, 2 size } repeated     3 bao: never written, read over

No chunks: the blob is one chunk, under the blob's own digest, and the object has no bytes.
*/

import { concatBytes } from "@firn/base";
import { bytesOfDigest, CastoreError, type ChunkMeta, type Digest, digestFromBytes } from "@firn/castore";

const CHUNKS = 0x12;
const BAO = 0x1a;
const DIGEST = 0x0a;
const SIZE = 0x10;
const DIGEST_BYTES = 32;
/** Most chunks of one blob. */
const CHUNKS_MAX = 1 << 24;

export function encodeBlobIndex(chunks: readonly ChunkMeta[]): Uint8Array {
  if (chunks.length < 2) return new Uint8Array();
  return concatBytes(
    chunks.map(({ digest, size }) => {
      const sized = size > 0 ? [SIZE, ...varint(size)] : [];
      return new Uint8Array([
        CHUNKS,
        2 + DIGEST_BYTES + sized.length,
        DIGEST,
        DIGEST_BYTES,
        ...bytesOfDigest(digest),
        ...sized,
      ]);
    }),
  );
}

/** Reads an index. Throws `corrupt` for bytes that are none. `blob` is for messages. */
export function decodeBlobIndex(bytes: Uint8Array, blob: Digest): ChunkMeta[] {
  const refuse = (what: string) => {
    throw new CastoreError("corrupt", `the index of blob ${blob} is damaged: ${what}`, { context: { digest: blob } });
  };
  let at = 0;
  const number = (end: number): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= end || scale > Number.MAX_SAFE_INTEGER) refuse("a number that does not end");
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER) refuse("a number above 2^53-1");
      if (byte < 128) return value;
    }
  };
  const chunks: ChunkMeta[] = [];
  while (at < bytes.length) {
    const tag = bytes[at++];
    const length = number(bytes.length);
    const end = at + length;
    if (end > bytes.length) refuse("a length beyond the end");
    if (tag !== CHUNKS && tag !== BAO) refuse(`a field that is not known (tag ${tag})`);
    if (tag === CHUNKS) {
      if (chunks.length === CHUNKS_MAX)
        throw new CastoreError("limit", `blob ${blob} has more than ${CHUNKS_MAX} chunks`);
      if (bytes[at] !== DIGEST || bytes[at + 1] !== DIGEST_BYTES || end - at < 2 + DIGEST_BYTES)
        refuse("a chunk without digest");
      const digest = digestFromBytes(bytes.subarray(at + 2, at + 2 + DIGEST_BYTES));
      at += 2 + DIGEST_BYTES;
      let size = 0;
      if (at < end && bytes[at] === SIZE) {
        at++;
        size = number(end);
      }
      if (at !== end) refuse("a chunk with a field that is not known");
      chunks.push({ digest, size });
    }
    at = end;
  }
  return chunks;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return bytes;
}
