/*
Where bytes from elsewhere come from. Glue knows addresses as text only; who hosts it brings what can follow them.
*/

import type { ByteStream } from "@firn/base";

export interface Fetcher {
  /** The bytes at an address. The stream throws GlueError `fetch-failed` when they cannot be had, whole. */
  fetch(url: string, options?: { readonly signal?: AbortSignal }): ByteStream;
  /** What is packed in the bytes (gzip, bzip2, xz, zstd, told by how they begin), or the bytes. Throws `fetch-failed` when they are damaged. */
  decompress(bytes: ByteStream): ByteStream;
}
