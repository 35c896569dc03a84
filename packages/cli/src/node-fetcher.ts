/*
Fetching by this machine: files of the host, and HTTP. It has no credentials, so none can go astray.
*/

import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type ByteStream, messageOf, throwIfAborted } from "@firn/base";
import { CompressionError, decompress, sniffCompression } from "@firn/compression";
import { type Fetcher, GlueError } from "@firn/glue";

export type NodeFetcherOptions = {
  /** Whether files of this host are read, which is as who runs this; true when not said. Not for others, who could not read them by themselves. */
  readonly hostFiles?: boolean;
};

export class NodeFetcher implements Fetcher {
  readonly #hostFiles: boolean;

  constructor({ hostFiles = true }: NodeFetcherOptions = {}) {
    this.#hostFiles = hostFiles;
  }

  async *fetch(url: string, { signal }: { readonly signal?: AbortSignal } = {}): ByteStream {
    try {
      if (!this.#hostFiles && !isHttp(url))
        throw failed(`unable to download '${url}': files of the machine that builds are not fetched for its clients`);
      yield* await open(url, signal);
    } catch (thrown) {
      throwIfAborted(signal);
      throw thrown instanceof GlueError ? thrown : failed(`unable to download '${url}': ${reasonOf(thrown)}`, thrown);
    }
  }

  async *decompress(bytes: ByteStream): ByteStream {
    const sniffed = await sniffCompression(bytes);
    try {
      yield* decompress(sniffed.bytes, sniffed.compression);
    } catch (thrown) {
      if (!(thrown instanceof CompressionError)) throw thrown;
      throw failed(`what was downloaded cannot be unpacked: ${thrown.message}`, thrown);
    }
  }
}

async function open(url: string, signal: AbortSignal | undefined): Promise<ByteStream> {
  if (url.startsWith("file:")) return createReadStream(fileURLToPath(url));
  if (!isHttp(url)) throw failed(`unable to download '${url}': only file, http and https can be fetched`);
  const response = await fetch(url, { signal: signal ?? null, headers: { "accept-encoding": "identity" } });
  if (!response.ok) {
    await response.body?.cancel();
    throw failed(`unable to download '${url}': HTTP error ${response.status}`);
  }
  return response.body === null ? Readable.from([]) : Readable.fromWeb(response.body);
}

function isHttp(url: string): boolean {
  return /^https?:/.test(url);
}

function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause instanceof Error && cause.message !== "" ? cause.message : messageOf(thrown);
}

function failed(message: string, cause?: unknown): GlueError {
  return new GlueError("fetch-failed", message, cause === undefined ? {} : { cause });
}
