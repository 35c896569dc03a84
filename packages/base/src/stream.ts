/*
Small transforms over async iterables. Streams of bytes are `AsyncIterable<Uint8Array>`; they are single use, and a
consumer may keep a chunk only until it asks for the next one unless the producer says otherwise.
*/

import { assert } from "./assert.ts";
import { throwIfAborted } from "./cancel.ts";
import { concatBytes } from "./bytes.ts";

/** A single-use stream of byte chunks of any size, empty ones included. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** All chunks joined. Throws `tooLong()` as soon as more than `bytesMax` bytes came. */
export async function collectBytes(stream: ByteStream, bytesMax: number, tooLong: () => Error): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > bytesMax) throw tooLong();
    parts.push(new Uint8Array(chunk)); // not slice: a Buffer's would share its memory
  }
  return parts.length === 1 ? parts[0] : concatBytes(parts);
}

/** A stream of one chunk, or of none when it is empty. */
export async function* streamOf(bytes: Uint8Array): ByteStream {
  if (bytes.length > 0) yield bytes;
}

/** The same bytes in pieces of `pieceBytes`, the last one shorter, each in memory of its own. */
export async function* piecesOf(stream: ByteStream, pieceBytes: number): AsyncGenerator<Uint8Array, void> {
  let piece = new Uint8Array(pieceBytes);
  let length = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + pieceBytes - length);
      piece.set(part, length);
      length += part.length;
      at += part.length;
      if (length < pieceBytes) continue;
      yield piece;
      piece = new Uint8Array(pieceBytes);
      length = 0;
    }
  }
  if (length > 0) yield piece.subarray(0, length);
}

/**
 * Runs `work` over `items` with at most `concurrencyMax` calls under way; results are in the order of the items. The
 * first failure aborts the signal handed to the others, waits for them, and is thrown.
 */
export async function mapConcurrently<T, R>(
  items: Iterable<T>,
  concurrencyMax: number,
  work: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  assert(concurrencyMax >= 1, "concurrency is at least 1");
  const failed = new AbortController();
  const inner = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const results: R[] = [];
  const iterator = items[Symbol.iterator]();
  let index = 0;
  let failure: { thrown: unknown } | undefined;
  const worker = async () => {
    while (failure === undefined) {
      const next = iterator.next();
      if (next.done) return;
      const at = index++;
      try {
        throwIfAborted(signal);
        results[at] = await work(next.value, inner);
      } catch (thrown) {
        failure ??= { thrown };
        failed.abort(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrencyMax }, worker));
  if (failure !== undefined) throw failure.thrown;
  return results;
}
