/*
Segments of a NAR made bytes: holes are filled with contents. What comes next is read while earlier bytes go out, so that a store with some
latency is not asked for one file after another: small files whole, the beginnings of large ones; never more than AHEAD_BYTES_MAX.
*/

import { type ByteStream, throwIfAborted } from "@firn/base";
import { type BlobReader, type BlobService, type CallOptions, type FileNode, readBlob } from "@firn/castore";
import { StoreError } from "./error.ts";
import type { NarSegment } from "./nar-segments.ts";

/** Files up to this long are read ahead whole. */
const SMALL_FILE_BYTES = 64 * 1024;
/** What a large file counts for while it waits, at most: what a backend reads at once when it is asked for the beginning. */
const LARGE_AHEAD_BYTES = 2 * 1024 * 1024;
/** Most bytes read ahead at any time. */
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;
/** Most segments looked ahead. */
const AHEAD_SEGMENTS_MAX = 512;
/** Literals and small files go out in chunks of this length, each a whole buffer, but for the last and those before large files. */
const OUT_BYTES = 128 * 1024;

type Waiting = {
  readonly literal?: Uint8Array;
  readonly small?: Promise<Uint8Array>;
  readonly large?: LargeFile;
  /** What it counts for. */
  readonly bytes: number;
};

/** The bytes of the segments; chunks belong to the consumer. Throws `missing`, `mismatch` and castore's errors while it runs. */
export async function* fillSegments(
  segments: AsyncIterable<NarSegment>,
  blobs: BlobService,
  options?: CallOptions,
): ByteStream {
  const window = new Window(segments, blobs, options);
  let out = new Uint8Array(OUT_BYTES);
  let length = 0;
  try {
    for (let next = await window.next(); next !== undefined; next = await window.next()) {
      throwIfAborted(options?.signal);
      if (next.large !== undefined) {
        try {
          if (length > 0) yield out.slice(0, length);
          length = 0;
          yield* next.large.stream();
        } finally {
          await next.large.end();
        }
        continue;
      }
      const bytes = next.literal ?? (await (next.small as Promise<Uint8Array>));
      let rest = bytes;
      while (length + rest.length >= OUT_BYTES) {
        out.set(rest.subarray(0, OUT_BYTES - length), length);
        rest = rest.subarray(OUT_BYTES - length);
        yield out;
        out = new Uint8Array(OUT_BYTES);
        length = 0;
      }
      out.set(rest, length);
      length += rest.length;
    }
    if (length > 0) yield out.subarray(0, length);
  } finally {
    await window.end();
  }
}

/** The segments that were looked at already, with their contents on the way. */
class Window {
  readonly #segments: AsyncIterator<NarSegment>;
  readonly #blobs: BlobService;
  readonly #options: CallOptions | undefined;
  #queue: Waiting[] = [];
  #at = 0;
  #bytes = 0;
  #ended = false;

  constructor(segments: AsyncIterable<NarSegment>, blobs: BlobService, options: CallOptions | undefined) {
    this.#segments = segments[Symbol.asyncIterator]();
    this.#blobs = blobs;
    this.#options = options;
  }

  async next(): Promise<Waiting | undefined> {
    while (!this.#ended && this.#queue.length - this.#at < AHEAD_SEGMENTS_MAX && this.#bytes < AHEAD_BYTES_MAX) {
      const { done, value } = await this.#segments.next();
      if (done) this.#ended = true;
      else this.#add(value);
    }
    if (this.#at === this.#queue.length) return undefined;
    const first = this.#queue[this.#at++];
    this.#bytes -= first.bytes;
    if (this.#at >= AHEAD_SEGMENTS_MAX) {
      this.#queue = this.#queue.slice(this.#at);
      this.#at = 0;
    }
    return first;
  }

  #add(segment: NarSegment): void {
    if (segment.literal !== undefined) {
      this.#queue.push({ literal: segment.literal, bytes: 0 });
      return;
    }
    const { file, from, to } = segment;
    if (file.size <= SMALL_FILE_BYTES) {
      const small = readSmall(file, from, to, this.#blobs, this.#options);
      small.catch(() => undefined); // reported when its turn comes; before that it must not count as unhandled
      this.#bytes += file.size;
      this.#queue.push({ small, bytes: file.size });
    } else {
      const bytes = Math.min(to - from, LARGE_AHEAD_BYTES);
      this.#bytes += bytes;
      this.#queue.push({ large: new LargeFile(file, from, to, this.#blobs, this.#options), bytes });
    }
  }

  /** Closes what was opened ahead and not used. */
  async end(): Promise<void> {
    const rest = this.#queue.slice(this.#at);
    this.#queue = [];
    this.#at = 0;
    await Promise.all([
      this.#segments.return?.(),
      ...rest.map(({ large, small }) => large?.end() ?? small?.catch(() => undefined)),
    ]);
  }
}

async function readSmall(
  file: FileNode,
  from: number,
  to: number,
  blobs: BlobService,
  options?: CallOptions,
): Promise<Uint8Array> {
  const bytes = await readBlob(blobs, file.digest, SMALL_FILE_BYTES, options);
  checkSize(file, bytes.length);
  return from === 0 && to === file.size ? bytes : bytes.subarray(from, to);
}

/** A file that is opened and asked for its first bytes at once, and from then on for the next ones before the last are used. */
class LargeFile {
  readonly #reader: Promise<BlobReader>;
  readonly #chunks: Promise<AsyncIterator<Uint8Array>>;
  #next: Promise<IteratorResult<Uint8Array>>;

  constructor(file: FileNode, from: number, to: number, blobs: BlobService, options?: CallOptions) {
    this.#reader = open(file, blobs, options);
    this.#chunks = this.#reader.then((reader) => reader.stream(from, to)[Symbol.asyncIterator]());
    this.#next = this.#chunks.then((chunks) => chunks.next());
    this.#next.catch(() => undefined);
  }

  async *stream(): ByteStream {
    const chunks = await this.#chunks;
    for (;;) {
      const { done, value } = await this.#next;
      if (done) return;
      this.#next = chunks.next();
      this.#next.catch(() => undefined);
      yield value;
    }
  }

  async end(): Promise<void> {
    await this.#next.catch(() => undefined);
    await (await this.#chunks.catch(() => undefined))?.return?.();
    await (await this.#reader.catch(() => undefined))?.close();
  }
}

async function open(file: FileNode, blobs: BlobService, options?: CallOptions): Promise<BlobReader> {
  const reader = await blobs.openRead(file.digest, options);
  if (reader === undefined)
    throw new StoreError("missing", `blob ${file.digest} is not stored`, { context: { digest: file.digest } });
  try {
    checkSize(file, reader.size);
  } catch (thrown) {
    await reader.close();
    throw thrown;
  }
  return reader;
}

function checkSize(file: FileNode, size: number): void {
  if (size === file.size) return;
  throw new StoreError("mismatch", `blob ${file.digest} has ${size} bytes, the tree says ${file.size}`, {
    context: { digest: file.digest },
  });
}
