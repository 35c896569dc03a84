/*
A peer's blobs. Nothing it sends is believed: from Firn's servers come slices that prove themselves, from others a blob is read whole and checked before a byte of it
goes out, so those are better put behind a cache.
*/

import { type ByteStream, collectBytes, streamOf, throwIfAborted } from "@firn/base";
import { createHasher, toHex } from "@firn/hash";
import {
  type BlobReader,
  type BlobService,
  type BlobServiceSupports,
  type BlobWriter,
  BytesReader,
  bytesOfDigest,
  CastoreError,
  type CallOptions,
  ChunkedReader,
  type ChunkMeta,
  chunksFrom,
  computeOutboard,
  decodeSlice,
  type Digest,
  digestFromBytes,
  digestOf,
  PieceWriter,
  verifyChunkList,
} from "@firn/castore";
import {
  CASTORE_METHODS,
  CONTENT_METHODS,
  OUTBOARD_REQUEST,
  READ_SLICE_REQUEST,
  STAT_BLOB_REQUEST,
} from "./castore-methods.ts";
import { isAbsence } from "./castore-handlers.ts";
import { numberOfMessage } from "./node-message.ts";
import type { Peer } from "./peer.ts";
import { callServerStream, callUnary, ClientStream } from "./rpc.ts";
import { castoreErrorOf } from "./status.ts";

/** Length of what is asked for along with the size when a blob is opened, in bytes: small blobs take one round trip. */
const FIRST_BYTES = 64 * 1024;
/** Longest message of a put, in bytes. */
const PIECE_BYTES = 256 * 1024;
/** Longest blob that is held in memory to check it, in bytes, where a peer cannot prove parts. */
const WHOLE_BYTES_MAX = 64 * 1024 * 1024;
/** Longest outboard, in bytes: of a blob of 16 TiB. */
const OUTBOARD_BYTES_MAX = 2 ** 26;
const SIZE_BYTES = 8;

export class RemoteBlobs implements BlobService {
  readonly supports: BlobServiceSupports = { write: true, chunks: true };
  readonly #peer: Peer;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return (await this.#stat(digest, false, options)) !== undefined;
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    return this.#stat(digest, true, options);
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    throwIfAborted(options?.signal);
    return failingAsCastore(async () => {
      const { isFirn } = await this.#peer.kind();
      return isFirn ? SliceReader.open(this.#peer, digest, options) : this.#openForeign(digest, options);
    });
  }

  openWrite(options?: CallOptions): BlobWriter {
    return openRemoteWriter(this.#peer, options);
  }

  async put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    await using writer = this.openWrite(options);
    await writer.write(bytes);
    return await writer.close();
  }

  async outboard(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined> {
    throwIfAborted(options?.signal);
    const { isFirn } = await failingAsCastore(() => this.#peer.kind());
    if (!isFirn) return computeOutboard(this, digest, options);
    const request = OUTBOARD_REQUEST.make({ digest: bytesOfDigest(digest) });
    const pieces = callServerStream(
      this.#peer.channel,
      CONTENT_METHODS.outboard,
      request,
      this.#peer.rpcOptions(options),
    );
    return absentOr(() => collectBytes(pieces, OUTBOARD_BYTES_MAX, () => tooLong("an outboard", OUTBOARD_BYTES_MAX)));
  }

  async #stat(digest: Digest, sendChunks: boolean, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    throwIfAborted(options?.signal);
    return absentOr(async () => {
      const { dialect } = await this.#peer.kind();
      const request = STAT_BLOB_REQUEST.make({ digest: bytesOfDigest(digest), sendChunks });
      const answer = await callUnary(
        this.#peer.channel,
        CASTORE_METHODS[dialect].stat,
        request,
        this.#peer.rpcOptions(options),
      );
      return answer.chunks.map((chunk) => ({
        digest: digestFromBytes(chunk.digest),
        size: numberOfMessage(chunk.size, "a chunk's size"),
      }));
    });
  }

  /** A blob of a peer that cannot prove parts: through its chunks when those are its own, else whole. */
  async #openForeign(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    const chunks = await this.#stat(digest, true, options);
    if (chunks === undefined) return undefined;
    if (chunks.length > 1) return this.#openChunked(digest, chunks, options);
    return this.#openWhole(digest, options);
  }

  /** The list is read once to see that it is the blob's; afterwards each chunk proves itself. */
  async #openChunked(digest: Digest, chunks: readonly ChunkMeta[], options?: CallOptions): Promise<BlobReader> {
    const readChunk = chunksFrom({ openRead: (one) => this.#openWhole(one, options) }, options);
    await verifyChunkList(digest, chunks, readChunk, options?.signal);
    return new ChunkedReader(chunks, readChunk, options?.signal);
  }

  async #openWhole(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    const bytes = await this.#readWhole(digest, options);
    return bytes && new BytesReader(bytes, options?.signal);
  }

  async #readWhole(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined> {
    return absentOr(async () => {
      const { dialect } = await this.#peer.kind();
      const { read } = CASTORE_METHODS[dialect];
      const pieces = callServerStream(this.#peer.channel, read, bytesOfDigest(digest), this.#peer.rpcOptions(options));
      const bytes = await collectBytes(pieces, WHOLE_BYTES_MAX, () => tooLong(`blob ${digest}`, WHOLE_BYTES_MAX));
      if (digestOf(bytes) === digest) return bytes;
      throw new CastoreError("corrupt", `${this.#peer.channel.label} sent other bytes for blob ${digest}`, {
        context: { digest },
      });
    });
  }
}

function tooLong(what: string, bytesMax: number): CastoreError {
  return new CastoreError("limit", `${what} from a peer is longer than ${bytesMax} bytes`);
}

/** What `call` yields, undefined when the peer says that it is not there; failures as castore's. */
async function absentOr<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined;
    throw castoreErrorOf(thrown);
  }
}

async function failingAsCastore<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    throw castoreErrorOf(thrown);
  }
}

/** A blob read in slices, each proven on arrival. */
class SliceReader implements BlobReader {
  readonly size: number;
  readonly #peer: Peer;
  readonly #digest: Digest;
  readonly #options: CallOptions | undefined;
  /** The beginning, which came with the size. */
  readonly #first: Uint8Array;
  #isClosed = false;

  private constructor(peer: Peer, digest: Digest, size: number, first: Uint8Array, options: CallOptions | undefined) {
    this.#peer = peer;
    this.#digest = digest;
    this.size = size;
    this.#first = first;
    this.#options = options;
  }

  static async open(peer: Peer, digest: Digest, options?: CallOptions): Promise<SliceReader | undefined> {
    return absentOr(async () => {
      const slice = await collectBytes(sliceFrom(peer, digest, 0, FIRST_BYTES, options), 2 * FIRST_BYTES + 65_536, () =>
        tooLong("a slice", 2 * FIRST_BYTES + 65_536),
      );
      const verified = decodeSlice(streamOf(slice), digest, 0, FIRST_BYTES);
      const first = await collectBytes(verified, FIRST_BYTES, () => tooLong("a slice", FIRST_BYTES));
      const size = sizeOfSlice(slice, digest);
      // A range that ends before the blob does leaves the size unproven: the last leaf proves it.
      if (size > FIRST_BYTES) await proveSize(peer, digest, size, options);
      return new SliceReader(peer, digest, size, first, options);
    });
  }

  async *stream(from = 0, to = this.size): ByteStream {
    const start = Math.max(0, from);
    const end = Math.min(to, this.size);
    if (start >= end) return;
    if (this.#isClosed) throw new CastoreError("closed", "the blob reader is closed");
    const known = Math.min(end, this.#first.length);
    if (start < known) yield this.#first.slice(start, known);
    const rest = Math.max(start, known);
    if (rest >= end) return;
    const slice = sliceFrom(this.#peer, this.#digest, rest, end, this.#options);
    try {
      for await (const bytes of decodeSlice(slice, this.#digest, rest, end)) {
        throwIfAborted(this.#options?.signal);
        if (this.#isClosed) throw new CastoreError("closed", "the blob reader is closed");
        yield bytes;
      }
    } catch (thrown) {
      throw castoreErrorOf(thrown);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function sliceFrom(peer: Peer, digest: Digest, from: number, to: number, options?: CallOptions): ByteStream {
  const request = READ_SLICE_REQUEST.make({ digest: bytesOfDigest(digest), from: BigInt(from), to: BigInt(to) });
  return callServerStream(peer.channel, CONTENT_METHODS.readSlice, request, peer.rpcOptions(options));
}

function sizeOfSlice(slice: Uint8Array, digest: Digest): number {
  const size = Number(new DataView(slice.buffer, slice.byteOffset, SIZE_BYTES).getBigUint64(0, true));
  if (Number.isSafeInteger(size)) return size;
  throw new CastoreError("corrupt", `a peer states a length for blob ${digest} that no blob has`, {
    context: { digest },
  });
}

async function proveSize(peer: Peer, digest: Digest, size: number, options?: CallOptions): Promise<void> {
  for await (const _ of decodeSlice(sliceFrom(peer, digest, size, size, options), digest, size, size));
}

/** A put under way. What was sent and not finished is nothing for the peer. */
function openRemoteWriter(peer: Peer, options: CallOptions | undefined): BlobWriter {
  const hasher = createHasher("blake3");
  let stream: ClientStream<Uint8Array, Uint8Array> | undefined;
  const open = async () => {
    if (stream !== undefined) return stream;
    const { dialect } = await failingAsCastore(() => peer.kind());
    stream ??= new ClientStream(peer.channel, CASTORE_METHODS[dialect].putBlob, peer.rpcOptions(options));
    return stream;
  };
  return new PieceWriter(
    {
      append: async (bytes) => {
        hasher.update(bytes);
        const sending = await open();
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
          // Copied: it is sent later, and the caller may write to its buffer.
          const piece = new Uint8Array(bytes.subarray(at, at + PIECE_BYTES));
          await failingAsCastore(() => sending.send(piece));
        }
      },
      finish: async () => {
        const sending = await open();
        const digest = digestFromBytes(await failingAsCastore(() => sending.finish()));
        const expected = toHex(hasher.digest());
        if (digest === expected) return digest;
        throw new CastoreError("corrupt", `${peer.channel.label} took blob ${expected} for ${digest}`);
      },
      discard: async () => stream?.cancel(),
    },
    options?.signal,
  );
}
