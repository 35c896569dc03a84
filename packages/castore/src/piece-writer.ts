/*
The writer handle that backends want: it keeps the order of calls and the ways a writer can end, and leaves to its parts what becomes of the bytes.
*/

import { throwIfAborted } from "@firn/base";
import type { BlobWriter } from "./blob-service.ts";
import { CastoreError } from "./error.ts";
import type { Digest } from "./node.ts";

export type PieceWriterParts = {
  /** Takes more bytes, which are the caller's again once it resolves. */
  readonly append: (bytes: Uint8Array) => Promise<void>;
  /** Makes what was appended durable and visible, and yields its digest. */
  readonly finish: () => Promise<Digest>;
  /** Forgets what was appended. Called at most once: when the writer is aborted, or when one of the others threw. Must not throw. */
  readonly discard: () => Promise<void>;
};

export class PieceWriter implements BlobWriter {
  readonly #parts: PieceWriterParts;
  readonly #signal: AbortSignal | undefined;
  #closing: Promise<Digest> | undefined;
  #discarding: Promise<void> | undefined;

  constructor(parts: PieceWriterParts, signal?: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** One that fails ends the writer: what was written would lack a piece. */
  async write(bytes: Uint8Array): Promise<void> {
    throwIfAborted(this.#signal);
    if (this.#discarding !== undefined || this.#closing !== undefined)
      throw new CastoreError("closed", "the blob writer has ended");
    try {
      await this.#parts.append(bytes);
    } catch (thrown) {
      await this.#discard();
      throw thrown;
    }
  }

  close(): Promise<Digest> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<Digest> {
    if (this.#discarding !== undefined) throw new CastoreError("closed", "the blob writer was aborted");
    try {
      throwIfAborted(this.#signal);
      return await this.#parts.finish();
    } catch (thrown) {
      await this.#discard();
      throwIfAborted(this.#signal);
      throw thrown;
    }
  }

  async abort(): Promise<void> {
    if (this.#closing === undefined) await this.#discard();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  #discard(): Promise<void> {
    this.#discarding ??= this.#parts.discard();
    return this.#discarding;
  }
}
