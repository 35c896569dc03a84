/*
Blobs in SQLite: short ones in their row, longer ones in pieces that are written as they come, under a row that has no digest before the writer closes. What
reads give is not verified here: sqlite-store.ts puts castore's verification over it.
*/

import { type ByteStream, concatBytes, throwIfAborted } from "@firn/base";
import {
  type BlobReader,
  type BlobService,
  type BlobServiceSupports,
  type BlobWriter,
  BytesReader,
  bytesOfDigest,
  type CallOptions,
  CastoreError,
  type ChunkMeta,
  type Digest,
  digestFromBytes,
  digestOf,
  type MemoryLeases,
  PieceWriter,
  type PieceWriterParts,
} from "@firn/castore";
import { createHasher } from "@firn/hash";
import type { SqliteFile } from "./sqlite-file.ts";

/** Blobs up to this long are in their row. */
const ROW_BYTES_MAX = 16 * 1024;
const PIECE_BYTES = 256 * 1024;

const FIND = "select id, size, bytes from blobs where digest = ?";

export class SqliteBlobs implements BlobService {
  readonly supports: BlobServiceSupports = { write: true, chunks: false };
  readonly #file: SqliteFile;
  readonly #leases: MemoryLeases;

  constructor(file: SqliteFile, leases: MemoryLeases) {
    this.#file = file;
    this.#leases = leases;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#leases.begin(options);
    return this.#file.get("select 1 from blobs where digest = ?", bytesOfDigest(digest)) !== undefined;
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    this.#leases.begin(options);
    const row = this.#file.get(FIND, bytesOfDigest(digest)) as
      | { id: number; size: number; bytes: Uint8Array | null }
      | undefined;
    if (row === undefined) return undefined;
    if (row.bytes !== null) return new BytesReader(row.bytes, options?.signal);
    return new SqliteReader(this.#file, row, options?.signal);
  }

  openWrite(options?: CallOptions): BlobWriter {
    this.#leases.begin(options);
    return new PieceWriter(new SqlitePieces(this.#file), options?.signal);
  }

  async put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    this.#leases.begin(options);
    if (bytes.length > ROW_BYTES_MAX) {
      await using writer = this.openWrite(options);
      await writer.write(bytes);
      return await writer.close();
    }
    const digest = digestOf(bytes);
    await keepInRow(this.#file, digest, new Uint8Array(bytes));
    return digest;
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    return (await this.has(digest, options)) ? [] : undefined;
  }
}

function keepInRow(file: SqliteFile, digest: Digest, bytes: Uint8Array): Promise<unknown> {
  return file.write("storing a blob", () =>
    file.run(
      "insert or ignore into blobs(digest, size, bytes) values (?, ?, ?)",
      bytesOfDigest(digest),
      bytes.length,
      bytes,
    ),
  );
}

class SqliteReader implements BlobReader {
  readonly size: number;
  readonly #file: SqliteFile;
  readonly #id: number;
  readonly #signal: AbortSignal | undefined;
  #isClosed = false;

  constructor(file: SqliteFile, row: { id: number; size: number }, signal: AbortSignal | undefined) {
    this.#file = file;
    this.size = row.size;
    this.#id = row.id;
    this.#signal = signal;
  }

  async *stream(from = 0, to = this.size): ByteStream {
    const start = Math.max(0, from);
    const end = Math.min(to, this.size);
    for (let at = Math.floor(start / PIECE_BYTES) * PIECE_BYTES; at < end; at += PIECE_BYTES) {
      this.#check();
      const row = this.#file.get("select bytes from pieces where blob = ? and at = ?", this.#id, at);
      if (row === undefined) throw new CastoreError("corrupt", "a blob in the store lacks a piece");
      const piece = row.bytes as Uint8Array;
      yield piece.subarray(Math.max(0, start - at), Math.min(piece.length, end - at));
    }
  }

  #check(): void {
    throwIfAborted(this.#signal);
    if (this.#isClosed) throw new CastoreError("closed", "the blob reader is closed");
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What becomes of the bytes of one writer. */
class SqlitePieces implements PieceWriterParts {
  readonly #file: SqliteFile;
  readonly #hasher = createHasher("blake3");
  /** What came since the last piece was written. */
  #parts: Uint8Array[] = [];
  #partsLength = 0;
  /** Bytes in pieces. */
  #stored = 0;
  #id: number | undefined;

  constructor(file: SqliteFile) {
    this.#file = file;
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#hasher.update(bytes);
    for (let at = 0; at < bytes.length; ) {
      const part = new Uint8Array(bytes.subarray(at, at + PIECE_BYTES - this.#partsLength));
      this.#parts.push(part);
      this.#partsLength += part.length;
      at += part.length;
      if (this.#partsLength === PIECE_BYTES) await this.#storePiece();
    }
  }

  async #storePiece(): Promise<void> {
    const piece = concatBytes(this.#parts);
    this.#parts = [];
    this.#partsLength = 0;
    const at = this.#stored;
    this.#stored += piece.length;
    this.#id = await this.#file.write("storing a blob", () => {
      const id = this.#id ?? this.#file.run("insert into blobs(touched) values (unixepoch())");
      this.#file.run("insert into pieces(blob, at, bytes) values (?, ?, ?)", id, at, piece);
      this.#file.run("update blobs set touched = unixepoch() where id = ?", id);
      return id;
    });
  }

  async finish(): Promise<Digest> {
    const digest = digestFromBytes(this.#hasher.digest());
    if (this.#id === undefined && this.#partsLength <= ROW_BYTES_MAX) {
      await keepInRow(this.#file, digest, concatBytes(this.#parts));
      return digest;
    }
    if (this.#partsLength > 0) await this.#storePiece();
    const id = this.#id as number;
    await this.#file.write("storing a blob", () => {
      const key = bytesOfDigest(digest);
      if (this.#file.get("select 1 from blobs where digest = ?", key) !== undefined) return this.#remove(id);
      this.#file.run("update blobs set digest = ?, size = ?, touched = null where id = ?", key, this.#stored, id);
    });
    return digest;
  }

  async discard(): Promise<void> {
    this.#parts = [];
    const id = this.#id;
    this.#id = undefined;
    // What cannot be removed now (a full disk) is removed as abandoned one day.
    if (id !== undefined) await this.#file.write("removing a blob", () => this.#remove(id)).catch(() => undefined);
  }

  #remove(id: number): void {
    this.#file.run("delete from pieces where blob = ?", id);
    this.#file.run("delete from blobs where id = ?", id);
  }
}
