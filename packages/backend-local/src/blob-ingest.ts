/*
The bytes of one larger blob on their way into the store: hashed as a whole, cut, and given to a session chunk by chunk.
*/

import { Chunker, type ChunkMeta, type Digest } from "@firn/castore";
import { createHasher, toHex } from "@firn/hash";
import type { ChunkSession } from "./chunk-store.ts";

export class BlobIngest {
  readonly #session: ChunkSession;
  readonly #hasher = createHasher("blake3");
  readonly #chunker = new Chunker();
  readonly #chunks: ChunkMeta[] = [];
  #size = 0;

  constructor(session: ChunkSession) {
    this.#session = session;
  }

  /** Takes more bytes, which are the caller's again once it resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#chunker.push(bytes);
    await this.#drain(false);
  }

  /** Has the blob recorded when the session commits. Nothing may be written afterwards. */
  async finish(): Promise<{ readonly digest: Digest; readonly size: number }> {
    await this.#drain(true);
    const digest = toHex(this.#hasher.digest()) as Digest;
    this.#session.blob(digest, this.#size, this.#chunks);
    return { digest, size: this.#size };
  }

  async #drain(isEnd: boolean): Promise<void> {
    for (let chunk = this.#chunker.take(isEnd); chunk !== undefined; chunk = this.#chunker.take(isEnd)) {
      // Right before its own digest is taken, while it is near.
      this.#hasher.update(chunk);
      this.#size += chunk.length;
      this.#chunks.push(await this.#session.chunk(chunk));
    }
  }
}
