/*
The castore as files that any web server can serve (docs/formats/static-castore.md): what they are called and what those hold that are not contents or directories
themselves. Who reads them trusts nothing but digests; no file ever changes.
*/

import { ByteSource, byteStringOf, type ByteStream, concatBytes } from "@firn/base";
import { CHUNK_BYTES_MAX } from "@firn/hash";
import type { ChunkMeta } from "./blob-service.ts";
import { Directory } from "./directory.ts";
import { DIRECTORY_BYTES_MAX } from "./directory-codec.ts";
import { CastoreError } from "./error.ts";
import type { Digest } from "./node.ts";

/**
 * - `blobs`: contents. - `lists`: the chunks of a blob, each of which is a blob. - `outboards`: proofs of a blob's ranges.
 * - `directories`: canonical encodings. - `trees`: all directories of a tree.
 */
export type StaticKind = "blobs" | "lists" | "outboards" | "directories" | "trees";

/** Where a file of the layout is, relative to its root. */
export function staticName(kind: StaticKind, digest: Digest): string {
  return `${kind}/${digest.slice(0, 2)}/${digest}`;
}

/** The reverse; undefined for any other name. */
export function parseStaticName(name: string): { readonly kind: StaticKind; readonly digest: Digest } | undefined {
  const [, kind, start, digest] =
    /^(blobs|lists|outboards|directories|trees)\/([0-9a-f]{2})\/([0-9a-f]{64})$/.exec(name) ?? [];
  if (digest === undefined || !digest.startsWith(start)) return undefined;
  return { kind: kind as StaticKind, digest: digest as Digest };
}

/**
 * Contents up to this length, in bytes, are one file, which takes one request and has no outboard: who wants one reads them. It is the length of Firn's
 * longest chunk, so that chunks are such contents.
 */
export const STATIC_WHOLE_BYTES_MAX = CHUNK_BYTES_MAX;

/** Longest list of chunks that is read, in bytes: of a blob of more than 50 GB. */
export const CHUNK_LIST_BYTES_MAX = 16 * 1024 * 1024;

/** A line for each chunk: its digest, its length in bytes. */
export function printChunkList(chunks: readonly ChunkMeta[]): string {
  return chunks.map(({ digest, size }) => `${digest} ${size}\n`).join("");
}

/** Throws `malformed`. */
export function parseChunkList(bytes: Uint8Array): readonly ChunkMeta[] {
  const lines = byteStringOf(bytes).split("\n");
  if (lines.pop() !== "") throw new CastoreError("malformed", "a list of chunks does not end with a line");
  return lines.map((line) => {
    const [, digest, size] = /^([0-9a-f]{64}) ([0-9]{1,15})$/.exec(line) ?? [];
    if (digest === undefined) throw new CastoreError("malformed", "a line of a list of chunks is not 'DIGEST SIZE'");
    return { digest: digest as Digest, size: Number(size) };
  });
}

const LENGTH_BYTES = 4;

/** Directories one after another, each with its length before it in four bytes, little-endian. */
export async function* encodeTree(directories: AsyncIterable<Directory>): ByteStream {
  for await (const { encoded } of directories) {
    const length = new Uint8Array(LENGTH_BYTES);
    new DataView(length.buffer).setUint32(0, encoded.length, true);
    yield concatBytes([length, encoded]);
  }
}

/** Throws `malformed`, `limit`. Whether they are the tree that was asked for is for `checkRecursive` to say. */
export async function* decodeTree(stream: ByteStream): AsyncGenerator<Directory, void> {
  await using source = new ByteSource(stream);
  const short = () => new CastoreError("malformed", "a list of directories ends in the middle of one");
  for (let next = await source.next(); next !== undefined; next = await source.next()) {
    source.unread(next);
    const head = await source.exactly(LENGTH_BYTES, short);
    const length = new DataView(head.buffer, head.byteOffset, LENGTH_BYTES).getUint32(0, true);
    if (length > DIRECTORY_BYTES_MAX)
      throw new CastoreError("limit", `a directory of ${length} bytes, at most ${DIRECTORY_BYTES_MAX} are read`);
    yield Directory.decode(new Uint8Array(await source.exactly(length, short)));
  }
}
