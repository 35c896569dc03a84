/*
Blobs from several sources of which none is trusted: each serves ranges as fast as it can, and every range is proven before it counts. One who sends what is not the blob
is never asked again, and named; one who fails otherwise is left out of the read at hand.

The trick is that proofs come from anywhere: the outboard of whoever has one that fits the digest proves what all others send.
*/

import { assert, type ByteStream, collectBytes, concatBytes, throwIfAborted } from "@firn/base";
import type { BlobReader, BlobService, BlobServiceSupports, BlobWriter, ChunkMeta } from "./blob-service.ts";
import { BytesReader } from "./bytes-reader.ts";
import { digestOf } from "./digest.ts";
import { CastoreError } from "./error.ts";
import { type CallOptions, withoutLease } from "./lease.ts";
import { Liars, type OnLie } from "./liars.ts";
import type { Digest } from "./node.ts";
import { outboardSize } from "./outboard.ts";
import { outboardOf } from "./outboard-of.ts";
import { verifiedRange } from "./verified-range.ts";

/** What one source is asked for at a time, in bytes. */
const STRIPE_BYTES = 1 << 20;
/** Stripes that wait for earlier ones, for each source. */
const STRIPES_AHEAD = 3;
/** A blob up to this length is read whole from one source, and hashed. */
const WHOLE_BYTES_MAX = 256 * 1024;

export type PeerBlobsOptions = { readonly onLie?: OnLie };

export class PeerBlobs implements BlobService {
  readonly supports: BlobServiceSupports = { write: false, chunks: false };
  readonly #liars: Liars<BlobService>;

  constructor(sources: readonly BlobService[], { onLie }: PeerBlobsOptions = {}) {
    this.#liars = new Liars(sources, onLie);
  }

  /** Numbers, from 0, of the sources that are not asked any more. */
  get liars(): readonly number[] {
    return this.#liars.numbers;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    const { answers, failures } = await this.#askAll((source) => source.has(digest, withoutLease(options)), options);
    if (answers.some(({ answer }) => answer)) return true;
    return this.#nobody(answers.length, failures, false);
  }

  async openRead(digest: Digest, options?: CallOptions): Promise<BlobReader | undefined> {
    const given = withoutLease(options);
    const { answers, failures } = await this.#askAll((source) => source.openRead(digest, given), options);
    const readers = answers.flatMap(({ source, answer }) => (answer === undefined ? [] : [{ source, reader: answer }]));
    try {
      for (const { source, reader } of readers) {
        try {
          return await this.#openOne(digest, source, reader, readers, options);
        } catch (thrown) {
          throwIfAborted(options?.signal);
          failures.push(this.#liars.judged(source, thrown));
        }
      }
    } catch (thrown) {
      await closeAll(readers);
      throw thrown;
    }
    await closeAll(readers);
    return this.#nobody(answers.length - readers.length, failures, undefined);
  }

  openWrite(): BlobWriter {
    throw new CastoreError("unsupported", "peers are only read");
  }

  async put(): Promise<Digest> {
    throw new CastoreError("unsupported", "peers are only read");
  }

  async chunks(digest: Digest, options?: CallOptions): Promise<readonly ChunkMeta[] | undefined> {
    return (await this.has(digest, options)) ? [] : undefined;
  }

  async outboard(digest: Digest, options?: CallOptions): Promise<Uint8Array | undefined> {
    await using reader = await this.openRead(digest, options);
    return reader instanceof StripedReader ? reader.outboard : undefined;
  }

  /** What one source has makes the reader: its length, its proof. */
  async #openOne(
    digest: Digest,
    source: BlobService,
    reader: BlobReader,
    readers: readonly Opened[],
    options: CallOptions | undefined,
  ): Promise<BlobReader> {
    const { signal } = options ?? {};
    if (reader.size <= WHOLE_BYTES_MAX) {
      const tooLong = () => new CastoreError("corrupt", `more than the ${reader.size} bytes that were said came`);
      const bytes = await collectBytes(reader.stream(), reader.size, tooLong);
      if (digestOf(bytes) !== digest) throw new CastoreError("corrupt", `what came for blob ${digest} is not it`);
      await closeAll(readers);
      return new BytesReader(bytes, signal);
    }
    const outboard = await outboardOf(source, digest, withoutLease(options));
    if (outboard === undefined) throw new CastoreError("storage", `blob ${digest} went away while it was opened`);
    const size = outboardSize(outboard);
    // The last leaf proves the length, and that the outboard is this blob's.
    for await (const _ of verifiedRange(digest, reader, outboard, size, size));
    const fitting = readers.filter((one) => {
      if (one.reader.size === size) return true;
      this.#liars.judged(
        one.source,
        new CastoreError("corrupt", `it says blob ${digest} has ${one.reader.size} bytes`),
      );
      return false;
    });
    return new StripedReader(digest, size, outboard, fitting, {
      signal,
      close: () => closeAll(readers),
      judge: (of, thrown) => this.#liars.judged(of, thrown),
    });
  }

  /** Asks everybody who is still asked. Failures are judged. */
  async #askAll<T>(ask: (source: BlobService) => Promise<T>, options: CallOptions | undefined) {
    throwIfAborted(options?.signal);
    const asked = this.#liars.honest;
    const answers: { readonly source: BlobService; readonly answer: T }[] = [];
    const failures: CastoreError[] = [...this.#liars.failures];
    const settled = await Promise.allSettled(asked.map((source) => ask(source)));
    throwIfAborted(options?.signal);
    for (const [i, one] of settled.entries()) {
      if (one.status === "fulfilled") answers.push({ source: asked[i], answer: one.value });
      else failures.push(this.#liars.judged(asked[i], one.reason));
    }
    return { answers, failures };
  }

  /** Somebody said no, and the others lied at most: then it is not there. Otherwise nobody knows. */
  #nobody<T>(saidNo: number, failures: readonly CastoreError[], absent: T): T {
    const areLies = failures.every(({ code }) => code === "corrupt");
    if (failures.length === 0 || (saidNo > 0 && areLies)) return absent;
    throw failures[0];
  }
}

type Opened = { readonly source: BlobService; readonly reader: BlobReader };

async function closeAll(readers: readonly Opened[]): Promise<void> {
  await Promise.allSettled(readers.map(({ reader }) => reader.close()));
}

type StripedParts = {
  readonly signal: AbortSignal | undefined;
  readonly close: () => Promise<void>;
  readonly judge: (source: BlobService, thrown: unknown) => Error;
};

type Stripe = {
  readonly from: number;
  readonly to: number;
  /** Sources that were asked for it. */
  readonly asked: Set<BlobService>;
  bytes: Uint8Array | undefined;
};

class StripedReader implements BlobReader {
  readonly size: number;
  readonly outboard: Uint8Array;
  readonly #digest: Digest;
  readonly #parts: StripedParts;
  /** Those that may still be asked. */
  readonly #readers: Set<Opened>;
  #lastFailure: Error | undefined;
  #isClosed = false;

  constructor(digest: Digest, size: number, outboard: Uint8Array, readers: readonly Opened[], parts: StripedParts) {
    this.#digest = digest;
    this.size = size;
    this.outboard = outboard;
    this.#readers = new Set(readers);
    this.#parts = parts;
  }

  async *stream(from = 0, to = this.size): ByteStream {
    const start = Math.max(0, from);
    const end = Math.min(to, this.size);
    if (start >= end) return;
    const stripes: Stripe[] = [];
    let next = start;
    let isDone = false;
    // Those who have nothing to do, and the consumer, wait for the next change.
    let change = Promise.withResolvers<void>();
    const changed = () => {
      change.resolve();
      change = Promise.withResolvers<void>();
    };
    /** The stripe that a source is to fetch: a new one while few wait, else the first that somebody else is slow with. */
    const choose = (source: BlobService): Stripe | undefined => {
      if (next < end && stripes.length < this.#readers.size * STRIPES_AHEAD) {
        // Stripes end where their multiples do, so that they share no groups.
        const stripeEnd = Math.min(end, (Math.floor(next / STRIPE_BYTES) + 1) * STRIPE_BYTES);
        const stripe: Stripe = { from: next, to: stripeEnd, asked: new Set(), bytes: undefined };
        next = stripeEnd;
        stripes.push(stripe);
        return stripe;
      }
      return stripes.find(({ bytes, asked }) => bytes === undefined && !asked.has(source));
    };
    const work = async (opened: Opened) => {
      while (!isDone && this.#readers.has(opened)) {
        const stripe = choose(opened.source);
        if (stripe === undefined) {
          await change.promise;
          continue;
        }
        stripe.asked.add(opened.source);
        try {
          const bytes = await this.#fetch(opened.reader, stripe, () => isDone);
          stripe.bytes ??= bytes;
        } catch (thrown) {
          if (isDone) return;
          this.#readers.delete(opened);
          this.#lastFailure = this.#parts.judge(opened.source, thrown);
        }
        changed();
      }
    };
    let bug: { readonly thrown: unknown } | undefined;
    for (const opened of [...this.#readers]) {
      work(opened).catch((thrown: unknown) => {
        bug ??= { thrown };
        changed();
      });
    }
    try {
      for (let at = start; at < end; ) {
        throwIfAborted(this.#parts.signal);
        if (this.#isClosed) throw new CastoreError("closed", "the blob reader is closed");
        if (bug !== undefined) throw bug.thrown;
        const first = stripes.find((stripe) => stripe.from === at);
        if (first?.bytes !== undefined) {
          stripes.splice(stripes.indexOf(first), 1);
          at = first.to;
          changed();
          yield first.bytes;
        } else if (this.#readers.size === 0) {
          assert(this.#lastFailure !== undefined, "a source is left out for a reason");
          throw this.#lastFailure;
        } else await change.promise;
      }
    } finally {
      // Nobody waits for one that hangs; it notices with the next bytes, or when its reader closes.
      isDone = true;
      changed();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#parts.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A stripe from one source, proven; undefined when nobody waits for it any more. */
  async #fetch(reader: BlobReader, stripe: Stripe, isOver: () => boolean): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    for await (const bytes of verifiedRange(this.#digest, reader, this.outboard, stripe.from, stripe.to)) {
      if (stripe.bytes !== undefined || isOver()) return undefined;
      parts.push(bytes);
    }
    return concatBytes(parts);
  }
}
