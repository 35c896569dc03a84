/* Services that misbehave as told, for tests of combinators. */

import { type BlobReader, type BlobService, CastoreError, type Digest, type DirectoryService } from "@firn/castore";

export const connectionLost = () => new CastoreError("storage", "the connection was lost", { retryable: true });

/** What a service was asked, and when it fails. */
export class Faults {
  readonly asked: string[] = [];
  /** Calls that fail before one succeeds, by operation. */
  readonly failing = new Map<string, number>();
  /** Bytes or items after which a stream breaks, once each. */
  readonly breaks: number[] = [];
  error: () => Error = connectionLost;

  check(operation: string, subject = ""): void {
    this.asked.push(`${operation} ${subject}`.trim());
    const left = this.failing.get(operation) ?? 0;
    if (left === 0) return;
    this.failing.set(operation, left - 1);
    throw this.error();
  }
}

export function faultyBlobs(inner: BlobService, faults: Faults): BlobService {
  const reader = (open: BlobReader): BlobReader => ({
    size: open.size,
    async *stream(from, to) {
      faults.check("stream");
      const limit = faults.breaks.shift() ?? Number.POSITIVE_INFINITY;
      let length = 0;
      for await (const chunk of open.stream(from, to)) {
        for (let at = 0; at < chunk.length; at += 1000) {
          if (length >= limit) throw faults.error();
          const part = chunk.slice(at, at + 1000);
          length += part.length;
          yield part;
        }
      }
    },
    close: () => open.close(),
    [Symbol.asyncDispose]: () => open.close(),
  });
  return {
    supports: inner.supports,
    async has(digest, options) {
      faults.check("has", digest);
      return inner.has(digest, options);
    },
    async openRead(digest, options) {
      faults.check("openRead", digest);
      const open = await inner.openRead(digest, options);
      return open && reader(open);
    },
    openWrite: (options) => inner.openWrite(options),
    async put(bytes, options) {
      faults.check("put");
      return inner.put(bytes, options);
    },
    async chunks(digest, options) {
      faults.check("chunks", digest);
      return inner.chunks(digest, options);
    },
  };
}

export function faultyDirectories(inner: DirectoryService, faults: Faults): DirectoryService {
  return {
    supports: inner.supports,
    async has(digest, options) {
      faults.check("has", digest);
      return inner.has(digest, options);
    },
    async get(digest, options) {
      faults.check("get", digest);
      return inner.get(digest, options);
    },
    put: (directory, options) => inner.put(directory, options),
    async *getRecursive(root: Digest, options) {
      faults.check("getRecursive", root);
      let left = faults.breaks.shift() ?? Number.POSITIVE_INFINITY;
      for await (const directory of inner.getRecursive(root, options)) {
        if (left-- <= 0) throw faults.error();
        yield directory;
      }
    },
    openPut: (options) => inner.openPut(options),
  };
}
