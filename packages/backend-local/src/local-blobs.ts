/*
Blobs of the local store: small ones in the index, larger ones as files (blob-files.ts). A writer keeps what came in memory until it is
too long for the index, and goes on in a staged file then.
*/

import { closeSync, openSync, read as readFd, rmSync, unlinkSync, writeSync } from "node:fs";
import { type ByteStream, throwIfAborted } from "@firn/base";
import {
  type BlobReader,
  type BlobService,
  type BlobServiceSupports,
  type BlobWriter,
  type CallOptions,
  CastoreError,
  type ChunkMeta,
  type Digest,
  digestOf,
} from "@firn/castore";
import { createHasher, toHex } from "@firn/hash";
import type { BlobFiles } from "./blob-files.ts";
import { type BlobRecord, decodeBlobRecord, encodeFileRecord, INLINE_BYTES_MAX, INLINE_HEAD } from "./blob-record.ts";
import type { Commits } from "./commits.ts";
import { storageError } from "./error.ts";
import type { LocalLeases } from "./local-leases.ts";
import type { Staging } from "./staging.ts";
import { digestKey, type StoreIndex } from "./store-index.ts";

const STREAM_CHUNK_BYTES = 256 * 1024;

export type LocalBlobParts = {
  readonly index: StoreIndex;
  readonly commits: Commits;
  readonly files: BlobFiles;
  readonly staging: Staging;
  readonly leases: LocalLeases;
};

export class LocalBlobs implements BlobService {
  readonly supports: BlobServiceSupports = { write: true, chunks: false };
  readonly #parts: LocalBlobParts;

  constructor(parts: LocalBlobParts) {
    this.#parts = parts;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#begin(options);
    return this.#parts.index.blobs.doesExist(digestKey(digest));
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    this.#begin(options);
    const record = this.record(digest);
    if (record === undefined) return undefined;
    if (record.kind === "inline") return new InlineReader(record.bytes, options?.signal);
    const fd = await this.#parts.files.openVerified(digest, record.size, options?.signal);
    return new FileReader(fd, record.size, digest, options?.signal);
  }

  openWrite(options?: CallOptions): BlobWriter {
    this.#begin(options);
    return new LocalWriter(this.#parts, options?.signal);
  }

  async put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    this.#begin(options);
    if (bytes.length <= INLINE_BYTES_MAX) {
      const digest = digestOf(bytes);
      await keepInline(this.#parts, digest, [bytes]);
      return digest;
    }
    const writer = this.openWrite(options);
    try {
      await writer.write(bytes);
      return await writer.close();
    } finally {
      await writer.abort();
    }
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    return (await this.has(digest, options)) ? [] : undefined;
  }

  /** The blob's record; inline contents are verified and the caller's. */
  record(digest: Digest): BlobRecord | undefined {
    return readRecord(this.#parts.index, digest);
  }

  #begin(options: CallOptions | undefined): void {
    throwIfAborted(options?.signal);
    this.#parts.leases.check(options);
  }
}

/** Reads a record from the index; inline contents are verified and in a new buffer. */
export function readRecord(index: StoreIndex, digest: Digest): BlobRecord | undefined {
  const bytes = index.blobs.getBinary(digestKey(digest));
  if (bytes === undefined) return undefined;
  const record = decodeBlobRecord(bytes, digest);
  if (record.kind === "inline" && digestOf(record.bytes) !== digest) {
    throw new CastoreError("corrupt", `blob ${digest} is damaged: its bytes in the index have another digest`, {
      context: { digest },
    });
  }
  return record;
}

class InlineReader implements BlobReader {
  readonly size: number;
  readonly #signal: AbortSignal | undefined;
  #bytes: Uint8Array | undefined;

  constructor(bytes: Uint8Array, signal: AbortSignal | undefined) {
    this.#bytes = bytes;
    this.#signal = signal;
    this.size = bytes.length;
  }

  async *stream(from = 0, to = this.size): ByteStream {
    throwIfAborted(this.#signal);
    if (this.#bytes === undefined) throw closedReader();
    const part = this.#bytes.slice(Math.max(0, from), Math.min(to, this.size));
    if (part.length > 0) yield part;
  }

  async close(): Promise<void> {
    this.#bytes = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function closedReader(): CastoreError {
  return new CastoreError("closed", "the blob reader is closed");
}

class FileReader implements BlobReader {
  readonly size: number;
  readonly #digest: Digest;
  readonly #signal: AbortSignal | undefined;
  #fd: number | undefined;
  #readsUnderWay = 0;
  #closing = false;

  constructor(fd: number, size: number, digest: Digest, signal: AbortSignal | undefined) {
    this.#fd = fd;
    this.size = size;
    this.#digest = digest;
    this.#signal = signal;
  }

  async *stream(from = 0, to = this.size): ByteStream {
    const end = Math.min(to, this.size);
    for (let at = Math.max(0, from); at < end; ) {
      throwIfAborted(this.#signal);
      const chunk = await this.#read(at, Math.min(STREAM_CHUNK_BYTES, end - at));
      at += chunk.length;
      yield chunk;
    }
  }

  async #read(at: number, length: number): Promise<Uint8Array> {
    const fd = this.#fd;
    if (fd === undefined || this.#closing) throw closedReader();
    this.#readsUnderWay++;
    try {
      const buffer = new Uint8Array(length);
      const count = await new Promise<number>((resolve, reject) => {
        readFd(fd, buffer, 0, length, at, (error, bytesRead) => (error === null ? resolve(bytesRead) : reject(error)));
      });
      if (count === 0) {
        throw new CastoreError("corrupt", `the file of blob ${this.#digest} was cut while it was read`, {
          context: { digest: this.#digest },
        });
      }
      return buffer.subarray(0, count);
    } catch (thrown) {
      throw storageError(`reading blob ${this.#digest}`, thrown);
    } finally {
      this.#readsUnderWay--;
      if (this.#closing) await this.close();
    }
  }

  /** The descriptor is kept until the reads under way end: closed too early, its number could be another file's by then. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#fd === undefined || this.#readsUnderWay > 0) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class LocalWriter implements BlobWriter {
  readonly #parts: LocalBlobParts;
  readonly #signal: AbortSignal | undefined;
  readonly #hasher = createHasher("blake3");
  #head: Uint8Array[] = [];
  #size = 0;
  #staged: { readonly path: string; readonly fd: number } | undefined;
  #closing: Promise<Digest> | undefined;
  #aborted = false;

  constructor(parts: LocalBlobParts, signal: AbortSignal | undefined) {
    this.#parts = parts;
    this.#signal = signal;
  }

  async write(bytes: Uint8Array): Promise<void> {
    throwIfAborted(this.#signal);
    if (this.#aborted || this.#closing !== undefined) throw new CastoreError("closed", "the blob writer has ended");
    this.#hasher.update(bytes);
    this.#size += bytes.length;
    if (this.#size <= INLINE_BYTES_MAX) {
      this.#head.push(new Uint8Array(bytes));
      return;
    }
    try {
      if (this.#staged === undefined) {
        const path = this.#parts.staging.newPath();
        this.#staged = { path, fd: openSync(path, "wx", 0o600) };
        for (const part of this.#head) writeAll(this.#staged.fd, part);
        this.#head = [];
      }
      writeAll(this.#staged.fd, bytes);
    } catch (thrown) {
      await this.abort();
      throw storageError("storing a blob", thrown);
    }
  }

  close(): Promise<Digest> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<Digest> {
    if (this.#aborted) throw new CastoreError("closed", "the blob writer was aborted");
    try {
      throwIfAborted(this.#signal);
      const digest = toHex(this.#hasher.digest()) as Digest;
      const staged = this.#staged;
      if (staged === undefined) {
        await keepInline(this.#parts, digest, this.#head);
      } else {
        closeSync(staged.fd);
        this.#staged = undefined;
        await keepStaged(this.#parts, staged.path, digest, this.#size);
      }
      return digest;
    } catch (thrown) {
      this.#discard();
      if (this.#signal?.aborted) throw this.#signal.reason;
      throw storageError("storing a blob", thrown);
    }
  }

  async abort(): Promise<void> {
    if (this.#closing !== undefined) return;
    this.#aborted = true;
    this.#discard();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  #discard(): void {
    this.#head = [];
    if (this.#staged === undefined) return;
    closeSync(this.#staged.fd);
    rmSync(this.#staged.path, { force: true });
    this.#staged = undefined;
  }
}

/** Stores contents that fit into the index, unless they are there. */
async function keepInline(
  { index, commits }: LocalBlobParts,
  digest: Digest,
  parts: readonly Uint8Array[],
): Promise<void> {
  const key = digestKey(digest);
  if (index.blobs.doesExist(key)) return;
  try {
    await commits.put(index.blobs, key, Buffer.concat([INLINE_HEAD, ...parts]));
  } catch (thrown) {
    throw storageError(`storing blob ${digest}`, thrown);
  }
}

/**
 * Makes the closed file at `staged`, which has this digest and size, the file of a blob, durably, or removes it when the store has the blob
 * already. A damaged or vanished file of a known blob is replaced: putting a blob again mends it.
 */
export async function keepStaged(
  { index, commits, files }: Pick<LocalBlobParts, "index" | "commits" | "files">,
  staged: string,
  digest: Digest,
  size: number,
): Promise<void> {
  try {
    const key = digestKey(digest);
    const isThere = index.blobs.doesExist(key);
    if (isThere && (await files.isGood(digest, size))) {
      unlinkSync(staged);
      return;
    }
    await files.adopt(staged, digest);
    if (!isThere) await commits.put(index.blobs, key, encodeFileRecord(size));
  } catch (thrown) {
    rmSync(staged, { force: true });
    throw storageError(`storing blob ${digest}`, thrown);
  }
}

export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
