/*
Blobs from several sources (tiers.ts). A stream that breaks goes on with the next source, from the byte where it was.
*/

import type { ByteStream } from "@firn/base";
import type { BlobReader, BlobService, BlobServiceSupports, BlobWriter, ChunkMeta } from "./blob-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";
import { computeOutboard } from "./outboard-of.ts";
import { firstAnswer, firstStream } from "./tiers.ts";

export class TieredBlobs implements BlobService {
  readonly supports: BlobServiceSupports;
  readonly #sources: readonly BlobService[];
  readonly #writable: BlobService | undefined;

  /** In order of preference. */
  constructor(sources: readonly BlobService[]) {
    this.#sources = sources;
    this.#writable = sources.find(({ supports }) => supports.write);
    this.supports = {
      write: this.#writable !== undefined,
      chunks: sources.some(({ supports }) => supports.chunks),
    };
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return (await this.#first((source, given) => source.has(digest, given), options)) !== undefined;
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    const found = await this.#first((source, given) => source.openRead(digest, given), options);
    if (found?.answer === undefined) return undefined;
    const others = this.#sources.slice(this.#sources.indexOf(found.source) + 1);
    return new TieredReader(found.answer, others, digest, options?.signal);
  }

  openWrite(options?: CallOptions): BlobWriter {
    return this.#needWritable().openWrite(options);
  }

  async put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    return this.#needWritable().put(bytes, options);
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    return (await this.#first((source, given) => source.chunks(digest, given), options))?.answer;
  }

  /** Of a source that keeps outboards; made by reading the blob when none does. */
  async outboard(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined> {
    const found = await this.#first(async (source, given) => source.outboard?.(digest, given), options);
    return found?.answer ?? computeOutboard(this, digest, options);
  }

  #first<T>(ask: (source: BlobService, options: CallOptions | undefined) => Promise<T>, options?: CallOptions) {
    return firstAnswer(this.#sources, ask, this.#writable, options);
  }

  #needWritable(): BlobService {
    if (this.#writable === undefined) throw new CastoreError("unsupported", "none of the sources can be written");
    return this.#writable;
  }
}

class TieredReader implements BlobReader {
  readonly size: number;
  readonly #first: BlobReader;
  readonly #others: readonly BlobService[];
  readonly #digest: Digest;
  readonly #signal: AbortSignal | undefined;

  constructor(first: BlobReader, others: readonly BlobService[], digest: Digest, signal: AbortSignal | undefined) {
    this.size = first.size;
    this.#first = first;
    this.#others = others;
    this.#digest = digest;
    this.#signal = signal;
  }

  stream(from = 0, to = this.size): ByteStream {
    let at = Math.max(0, from);
    const size = this.size;
    const digest = this.#digest;
    const signal = this.#signal;
    async function* counted(stream: ByteStream): AsyncGenerator<Uint8Array, true> {
      for await (const chunk of stream) {
        at += chunk.length;
        yield chunk;
      }
      return true;
    }
    async function* other(source: BlobService): AsyncGenerator<Uint8Array, boolean> {
      await using reader = await source.openRead(digest, { signal });
      return reader?.size === size ? yield* counted(reader.stream(at, to)) : false;
    }
    const first = () => counted(this.#first.stream(at, to));
    return firstStream([first, ...this.#others.map((source) => () => other(source))], signal);
  }

  close(): Promise<void> {
    return this.#first.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
