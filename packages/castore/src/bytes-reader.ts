/* A reader over a blob that is in memory whole: of services that live there, and of backends for what is short. */

import { type ByteStream, throwIfAborted } from "@firn/base";
import type { BlobReader } from "./blob-service.ts";
import { CastoreError } from "./error.ts";

const STREAM_CHUNK_BYTES = 1 << 16;

export class BytesReader implements BlobReader {
  readonly size: number;
  readonly #signal: AbortSignal | undefined;
  #bytes: Uint8Array | undefined;

  /** The bytes, which were verified, must stay as they are; consumers get copies. */
  constructor(bytes: Uint8Array, signal?: AbortSignal) {
    this.#bytes = bytes;
    this.#signal = signal;
    this.size = bytes.length;
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
