/*
Fetching by this machine: files of the host, and HTTP. Unpacking what the runtime cannot is left to the program that can, if there is one.
*/

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { Readable, type Transform } from "node:stream";
import { fileURLToPath } from "node:url";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { concatBytes, type ByteStream, messageOf, throwIfAborted } from "@firn/base";
import { type Fetcher, GlueError } from "@firn/glue";

/** How packed bytes begin. */
const FORMATS = [
  { magic: [0x1f, 0x8b], make: () => unpackBy(createGunzip()) },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], make: () => unpackBy(createZstdDecompress()) },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], make: () => unpackWith("xz") },
  { magic: [0x42, 0x5a, 0x68], make: () => unpackWith("bzip2") },
] as const;
const MAGIC_BYTES = 6;

export class NodeFetcher implements Fetcher {
  async *fetch(url: string, { signal }: { readonly signal?: AbortSignal } = {}): ByteStream {
    try {
      yield* await open(url, signal);
    } catch (thrown) {
      throwIfAborted(signal);
      throw thrown instanceof GlueError ? thrown : failed(`unable to download '${url}': ${reasonOf(thrown)}`, thrown);
    }
  }

  async *decompress(bytes: ByteStream): ByteStream {
    const chunks = bytes[Symbol.asyncIterator]();
    let head = new Uint8Array(0);
    while (head.length < MAGIC_BYTES) {
      const next = await chunks.next();
      if (next.done) break;
      head = concatBytes([head, next.value]) as Uint8Array<ArrayBuffer>;
    }
    const whole = (async function* () {
      yield head;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    })();
    const format = FORMATS.find(({ magic }) => magic.every((byte, index) => head[index] === byte));
    yield* format === undefined ? whole : format.make()(whole);
  }
}

async function open(url: string, signal: AbortSignal | undefined): Promise<ByteStream> {
  if (url.startsWith("file:")) return createReadStream(fileURLToPath(url));
  if (!/^https?:/.test(url)) throw failed(`unable to download '${url}': only file, http and https can be fetched`);
  const response = await fetch(url, { signal: signal ?? null, headers: { "accept-encoding": "identity" } });
  if (!response.ok) {
    await response.body?.cancel();
    throw failed(`unable to download '${url}': HTTP error ${response.status}`);
  }
  return response.body === null ? Readable.from([]) : Readable.fromWeb(response.body);
}

/** Bytes through a transform of the runtime's own. */
function unpackBy(transform: Transform): (packed: ByteStream) => ByteStream {
  return async function* (packed) {
    const source = Readable.from(packed);
    source.on("error", (thrown) => transform.destroy(thrown));
    source.pipe(transform);
    try {
      yield* transform;
    } catch (thrown) {
      throw thrown instanceof GlueError
        ? thrown
        : failed(`what was downloaded is damaged: ${reasonOf(thrown)}`, thrown);
    } finally {
      source.destroy();
    }
  };
}

/** Bytes through a program that unpacks from its input to its output. */
function unpackWith(program: string): (packed: ByteStream) => ByteStream {
  return async function* (packed) {
    const child = spawn(program, ["-dc"], { stdio: ["pipe", "pipe", "ignore"] });
    const ended = once(child, "close") as Promise<[number | null]>;
    ended.catch(() => undefined);
    const source = Readable.from(packed);
    source.on("error", (thrown) => child.stdout.destroy(thrown));
    child.stdin.on("error", () => undefined); // it ended early: its exit code says why
    source.pipe(child.stdin);
    try {
      yield* child.stdout;
      const [code] = await ended.catch((thrown: unknown) => {
        throw failed(`unpacking needs the program ${program}: ${reasonOf(thrown)}`, thrown);
      });
      if (code !== 0) throw failed(`what was downloaded is damaged: ${program} ended with code ${code}`);
    } finally {
      source.destroy();
      child.kill();
    }
  };
}

function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause instanceof Error && cause.message !== "" ? cause.message : messageOf(thrown);
}

function failed(message: string, cause?: unknown): GlueError {
  return new GlueError("fetch-failed", message, cause === undefined ? {} : { cause });
}
