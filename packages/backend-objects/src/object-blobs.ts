/*
Blobs as objects: chunks compressed under their digests, and an index under the blob's. A chunk is verified whenever it is read. That an index lists the right
chunks is found by hashing all of them once, when a blob is first opened here; after that ranges are read alone.
*/

import { Background, throwIfAborted } from "@firn/base";
import {
  type BlobReader,
  type BlobService,
  type BlobServiceSupports,
  type BlobWriter,
  BytesReader,
  type CallOptions,
  CastoreError,
  ChunkedReader,
  Chunker,
  type ChunkMeta,
  type Digest,
  digestFromBytes,
  digestOf,
  EMPTY_DIGEST,
  LruMap,
  type MemoryLeases,
  PieceWriter,
  type PieceWriterParts,
  verifyChunkList,
} from "@firn/castore";
import { createHasher } from "@firn/hash";
import { decodeBlobIndex, encodeBlobIndex } from "./blob-index.ts";
import type { ObjectFiles } from "./object-files.ts";
import { compress, decompress } from "./zstd.ts";

/** Longest chunk that is read: others may be configured to cut more coarsely. */
const CHUNK_BYTES_MAX = 64 * 1024 * 1024;
/** Indexes known to be right. */
const VERIFIED_MAX = 100_000;
/** Chunks stored at the same time by one writer. */
const PUTS_MAX = 8;

const blobKey = (digest: Digest) => `blobs/b3/${digest.slice(0, 4)}/${digest}`;
const chunkKey = (digest: Digest) => `chunks/b3/${digest.slice(0, 4)}/${digest}`;

export class ObjectBlobs implements BlobService {
  readonly supports: BlobServiceSupports = { write: true, chunks: true };
  readonly #files: ObjectFiles;
  readonly #leases: MemoryLeases;
  /** Blob to the digest of the index that was found to be right. */
  readonly #verified = new LruMap<Digest, Digest>(VERIFIED_MAX);

  constructor(files: ObjectFiles, leases: MemoryLeases) {
    this.#files = files;
    this.#leases = leases;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    this.#leases.begin(options);
    return (await this.#files.has(blobKey(digest))) || (await this.#files.has(chunkKey(digest)));
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    this.#leases.begin(options);
    const index = await this.#index(digest);
    if (index === undefined || index.chunks.length === 0) {
      const bytes = index !== undefined && digest === EMPTY_DIGEST ? new Uint8Array() : await this.#chunk(digest);
      if (bytes !== undefined) return new BytesReader(bytes, options?.signal);
      if (index === undefined) return undefined;
      throw new CastoreError("missing", `blob ${digest} is one chunk, which is not there`, { context: { digest } });
    }
    const readChunk = async (chunk: ChunkMeta) => {
      const bytes = await this.#chunk(chunk.digest);
      if (bytes !== undefined) return bytes;
      throw new CastoreError("missing", `chunk ${chunk.digest} is not there`, { context: { digest: chunk.digest } });
    };
    if (this.#verified.get(digest) !== index.digest) {
      await verifyChunkList(digest, index.chunks, readChunk, options?.signal);
      this.#verified.set(digest, index.digest, 1);
    }
    return new ChunkedReader(index.chunks, readChunk, options?.signal);
  }

  openWrite(options?: CallOptions): BlobWriter {
    this.#leases.begin(options);
    const keep = {
      chunk: async (digest: Digest, bytes: Uint8Array) => {
        if (await this.#files.has(chunkKey(digest))) return;
        await this.#files.put(chunkKey(digest), await compress(bytes));
      },
      index: async (digest: Digest, chunks: readonly ChunkMeta[]) => {
        const bytes = encodeBlobIndex(chunks);
        await this.#files.put(blobKey(digest), bytes);
        this.#verified.set(digest, digestOf(bytes), 1);
      },
    };
    return new PieceWriter(new ObjectPieces(keep, options?.signal), options?.signal);
  }

  async put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    await using writer = this.openWrite(options);
    await writer.write(bytes);
    return await writer.close();
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    this.#leases.begin(options);
    const index = await this.#index(digest);
    if (index !== undefined) return index.chunks;
    return (await this.#files.has(chunkKey(digest))) ? [] : undefined;
  }

  async #index(
    digest: Digest,
  ): Promise<{ readonly chunks: readonly ChunkMeta[]; readonly digest: Digest } | undefined> {
    const bytes = await this.#files.get(blobKey(digest));
    return bytes && { chunks: decodeBlobIndex(bytes, digest), digest: digestOf(bytes) };
  }

  /** A chunk's bytes, verified. */
  async #chunk(digest: Digest): Promise<Uint8Array | undefined> {
    const stored = await this.#files.get(chunkKey(digest));
    if (stored === undefined) return undefined;
    const bytes = await decompress(stored, CHUNK_BYTES_MAX, `chunk ${digest}`);
    if (digestOf(bytes) === digest) return bytes;
    throw new CastoreError("corrupt", `chunk ${digest} is damaged: its bytes have another digest`, {
      context: { digest },
    });
  }
}

type Keep = {
  readonly chunk: (digest: Digest, bytes: Uint8Array) => Promise<void>;
  readonly index: (digest: Digest, chunks: readonly ChunkMeta[]) => Promise<void>;
};

/** What becomes of the bytes of one writer. Chunks go out as they are known, the index last. Chunks of a writer that was aborted stay, under their digests, and do no harm. */
class ObjectPieces implements PieceWriterParts {
  readonly #keep: Keep;
  readonly #hasher = createHasher("blake3");
  readonly #chunker = new Chunker();
  readonly #chunks: ChunkMeta[] = [];
  readonly #puts = new Background(PUTS_MAX);
  readonly #signal: AbortSignal | undefined;

  constructor(keep: Keep, signal: AbortSignal | undefined) {
    this.#keep = keep;
    this.#signal = signal;
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#chunker.push(bytes);
    await this.#drain(false);
  }

  async #drain(isEnd: boolean): Promise<void> {
    for (let chunk = this.#chunker.take(isEnd); chunk !== undefined; chunk = this.#chunker.take(isEnd)) {
      this.#hasher.update(chunk);
      const digest = digestOf(chunk);
      this.#chunks.push({ digest, size: chunk.length });
      const bytes = new Uint8Array(chunk);
      await this.#puts.add(() => this.#keep.chunk(digest, bytes));
    }
  }

  async finish(): Promise<Digest> {
    await this.#drain(true);
    await this.#puts.settle();
    throwIfAborted(this.#signal);
    const digest = digestFromBytes(this.#hasher.digest());
    await this.#keep.index(digest, this.#chunks);
    return digest;
  }

  /** Waits for what is on its way. */
  discard(): Promise<void> {
    return this.#puts.end();
  }
}
