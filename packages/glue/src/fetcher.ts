/*
Where bytes from elsewhere come from. Glue knows addresses as text only; who hosts it brings what can follow them.
*/

import type { ByteStream } from "@firn/base";
import { GlueError } from "./error.ts";

export interface Fetcher {
  /** The bytes at an address. The stream throws GlueError `fetch-failed` when they cannot be had, whole. */
  fetch(url: string, options?: { readonly signal?: AbortSignal }): ByteStream;
  /** What is packed in the bytes (gzip, bzip2, xz, zstd, told by how they begin), or the bytes. Throws `fetch-failed` when they are damaged. */
  decompress(bytes: ByteStream): ByteStream;
}

/** The fetcher a derivation needs. Throws `unsupported` where there is none. */
export function needFetcher(build: {
  readonly derivation: { readonly name: string };
  readonly fetcher: Fetcher | undefined;
}): Fetcher {
  if (build.fetcher !== undefined) return build.fetcher;
  const message = `derivation '${build.derivation.name}' cannot be fetched: nothing here fetches anything`;
  throw new GlueError("unsupported", message);
}
