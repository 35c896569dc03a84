/* A reader over a blob that is in memory whole: of services that live there, and of backends for what is short. */

import { type ByteStream, throwIfAborted } from "@firn/base";
import type { BlobReader } from "./blob-service.ts";
import { CastoreError } from "./error.ts";

const STREAM_CHUNK_BYTES = 1 << 16;

export class BytesReader implements BlobReader {
  readonly size: number;
  readonly #signal: AbortSignal | undefined;
  readonly #isOwn: boolean;
  #bytes: Uint8Array | undefined;

  /** The bytes, which were verified, must stay as they are; consumers get copies, unless nobody else has them: "own". */
  constructor(bytes: Uint8Array, signal?: AbortSignal, whose?: "own") {
    this.#bytes = bytes;
    this.#signal = signal;
    this.#isOwn = whose === "own";
    this.size = bytes.length;
  }

  /** All bytes at once, which closes the reader; undefined, and nothing done, where they are not its own. They may be part of a longer buffer. */
  take(): Uint8Array | undefined {
    if (!this.#isOwn) return undefined;
    throwIfAborted(this.#signal);
    const bytes = this.#bytes;
    this.#bytes = undefined;
    return bytes;
  }

  async *stream(from = 0, to = this.size): ByteStream {
    const end = Math.min(to, this.size);
    for (let at = Math.max(0, from); at < end; at += STREAM_CHUNK_BYTES) {
      throwIfAborted(this.#signal);
      if (this.#bytes === undefined) throw new CastoreError("closed", "the blob reader is closed");
      // Of a Buffer, `slice` would be a view.
      yield new Uint8Array(this.#bytes.subarray(at, Math.min(end, at + STREAM_CHUNK_BYTES)));
    }
  }

  async close(): Promise<void> {
    this.#bytes = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
