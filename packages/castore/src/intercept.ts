/*
A service whose every call passes through somebody's hands, who may time it, run it again, or change what it throws: what tracing (trace.ts),
retrying (retry.ts) and named errors (named.ts) have in common. Writers that are open hold state below, so their calls are passed
on one by one and never as something that may be run again.
*/

import type { ByteStream } from "@firn/base";
import type { BlobReader, BlobService, BlobServiceSupports, BlobWriter, ChunkMeta } from "./blob-service.ts";
import type { Directory } from "./directory.ts";
import type { DirectoryPutter, DirectoryService, DirectoryServiceSupports } from "./directory-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";
import { outboardOf } from "./outboard-of.ts";

/** What is called: the method's name, and what it is about (a digest, a store path) where that is one thing. */
export type ServiceCall = {
  readonly operation: string;
  readonly subject?: string;
  readonly signal?: AbortSignal;
  /** Whether running it a second time does no harm. */
  readonly repeatable: boolean;
};

export interface Interceptor {
  call<T>(call: ServiceCall, run: () => Promise<T>): Promise<T>;
  /** `start` begins the stream, or begins it again; then it leaves out what came already. `bytesOf` says how much an item is. */
  stream<T>(call: ServiceCall, start: () => AsyncIterable<T>, bytesOf: (item: T) => number): AsyncIterable<T>;
}

export class InterceptedBlobs implements BlobService {
  readonly #inner: BlobService;
  readonly #interceptor: Interceptor;

  constructor(inner: BlobService, interceptor: Interceptor) {
    this.#inner = inner;
    this.#interceptor = interceptor;
  }

  get supports(): BlobServiceSupports {
    return this.#inner.supports;
  }

  has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return this.#interceptor.call(repeatable("has", options, digest), () => this.#inner.has(digest, options));
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    const open = () => this.#inner.openRead(digest, options);
    const reader = await this.#interceptor.call(repeatable("openRead", options, digest), open);
    return reader && new InterceptedReader(reader, digest, open, this.#interceptor, options);
  }

  openWrite(options?: CallOptions): BlobWriter {
    return new InterceptedWriter(this.#inner.openWrite(options), this.#interceptor);
  }

  put(bytes: Uint8Array, options?: CallOptions): Promise<Digest> {
    return this.#interceptor.call(repeatable("put", options), () => this.#inner.put(bytes, options));
  }

  chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    return this.#interceptor.call(repeatable("chunks", options, digest), () => this.#inner.chunks(digest, options));
  }

  outboard(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined> {
    return this.#interceptor.call(repeatable("outboard", options, digest), () =>
      outboardOf(this.#inner, digest, options),
    );
  }
}

export function repeatable(operation: string, options?: CallOptions, subject?: string): ServiceCall {
  return { operation, subject, signal: options?.signal, repeatable: true };
}

export function once(operation: string, options?: CallOptions, subject?: string): ServiceCall {
  return { operation, subject, signal: options?.signal, repeatable: false };
}

class InterceptedReader implements BlobReader {
  readonly size: number;
  readonly #digest: Digest;
  readonly #open: () => Promise<BlobReader | undefined>;
  readonly #interceptor: Interceptor;
  readonly #options: CallOptions | undefined;
  readonly #readers: BlobReader[];

  constructor(
    reader: BlobReader,
    digest: Digest,
    open: () => Promise<BlobReader | undefined>,
    interceptor: Interceptor,
    options: CallOptions | undefined,
  ) {
    this.size = reader.size;
    this.#digest = digest;
    this.#open = open;
    this.#interceptor = interceptor;
    this.#options = options;
    this.#readers = [reader];
  }

  stream(from = 0, to = this.size): ByteStream {
    const readers = this.#readers;
    const open = this.#open;
    const digest = this.#digest;
    let at = Math.max(0, from);
    let starts = 0;
    async function* start(): ByteStream {
      if (starts++ > 0) {
        const reader = await open();
        if (reader === undefined) throw new CastoreError("missing", `blob ${digest} went away while it was read`);
        readers.push(reader);
      }
      for await (const chunk of readers[readers.length - 1].stream(at, to)) {
        at += chunk.length;
        yield chunk;
      }
    }
    return this.#interceptor.stream(repeatable("read", this.#options, digest), start, (chunk) => chunk.length);
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class InterceptedWriter implements BlobWriter {
  readonly #inner: BlobWriter;
  readonly #interceptor: Interceptor;

  constructor(inner: BlobWriter, interceptor: Interceptor) {
    this.#inner = inner;
    this.#interceptor = interceptor;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#interceptor.call(once("write"), () => this.#inner.write(bytes));
  }

  close(): Promise<Digest> {
    return this.#interceptor.call(once("close"), () => this.#inner.close());
  }

  abort(): Promise<void> {
    return this.#inner.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }
}

export class InterceptedDirectories implements DirectoryService {
  readonly #inner: DirectoryService;
  readonly #interceptor: Interceptor;

  constructor(inner: DirectoryService, interceptor: Interceptor) {
    this.#inner = inner;
    this.#interceptor = interceptor;
  }

  get supports(): DirectoryServiceSupports {
    return this.#inner.supports;
  }

  has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return this.#interceptor.call(repeatable("has", options, digest), () => this.#inner.has(digest, options));
  }

  get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    return this.#interceptor.call(repeatable("get", options, digest), () => this.#inner.get(digest, options));
  }

  put(directory: Directory, options?: CallOptions): Promise<Digest> {
    const call = repeatable("put", options, directory.digest);
    return this.#interceptor.call(call, () => this.#inner.put(directory, options));
  }

  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory> {
    const inner = this.#inner;
    const seen = new Set<Digest>();
    async function* start(): AsyncGenerator<Directory, void> {
      for await (const directory of inner.getRecursive(root, options)) {
        if (seen.has(directory.digest)) continue;
        seen.add(directory.digest);
        yield directory;
      }
    }
    const call = repeatable("getRecursive", options, root);
    return this.#interceptor.stream(call, start, ({ encoded }) => encoded.length);
  }

  openPut(options?: CallOptions): DirectoryPutter {
    const inner = this.#inner.openPut(options);
    const interceptor = this.#interceptor;
    return {
      put: (directory) => interceptor.call(once("put", options, directory.digest), () => inner.put(directory)),
      close: () => interceptor.call(once("close", options), () => inner.close()),
      abort: () => inner.abort(),
      [Symbol.asyncDispose]: () => inner.abort(),
    };
  }
}
