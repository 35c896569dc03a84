/*
What Firn adds to castore.v1, served: questions about many blobs and directories at once, ranges with their proofs, many small blobs in one call. Each saves
round trips or bytes that castore.v1 alone would need.
*/

import { mapConcurrently, piecesOf } from "@firn/base";
import {
  type BlobService,
  type CallOptions,
  type CastoreServices,
  type Digest,
  encodeSlice,
  LruMap,
  outboardOf,
  SingleFlight,
} from "@firn/castore";
import {
  CONTENT_METHODS,
  MISSING_RESPONSE,
  PUT_BLOBS_RESPONSE,
  READ_BLOBS_RESPONSE,
  STAT_BLOBS_RESPONSE,
} from "./castore-methods.ts";
import { absent } from "./castore-handlers.ts";
import { digestOfRequest, DIGESTS_MAX, packDigests, unpackDigests } from "./digest-list.ts";
import { ProtocolError } from "./error.ts";
import type { HeldLeases } from "./held-leases.ts";
import { clientStream, type RpcHandler, serverStream, unary } from "./rpc.ts";

/** Questions put to the services at the same time. */
const QUESTIONS_AHEAD = 64;
/** Length of the pieces of a slice or an outboard, in bytes. */
const PIECE_BYTES = 256 * 1024;
const OUTBOARDS_BYTES_MAX = 64 * 1024 * 1024;
/** What a key takes in memory, about. */
const KEY_BYTES = 200;

export function contentHandlers(services: CastoreServices, leases: HeldLeases): readonly RpcHandler[] {
  const { blobs, directories } = services;
  const outboards = new OutboardCache(blobs);
  const methods = CONTENT_METHODS;
  return [
    unary(methods.missing, async ({ blobs: ofBlobs, directories: ofDirectories }, context) => {
      const options = leases.optionsOf(context);
      return MISSING_RESPONSE.make({
        blobs: packDigests(await lacking(unpackDigests(ofBlobs), blobs, options)),
        directories: packDigests(await lacking(unpackDigests(ofDirectories), directories, options)),
      });
    }),
    unary(methods.statBlobs, async ({ digests, sendChunks }, context) => {
      const options = leases.optionsOf(context);
      const stat = async (digest: Digest, signal: AbortSignal) => {
        await using reader = await blobs.openRead(digest, { ...options, signal });
        const chunks = sendChunks && reader !== undefined ? await blobs.chunks(digest, { ...options, signal }) : [];
        if (reader === undefined || chunks === undefined) return { isPresent: false };
        return {
          isPresent: true,
          size: BigInt(reader.size),
          chunkDigests: packDigests(chunks.map((chunk) => chunk.digest)),
          chunkSizes: chunks.map(({ size }) => BigInt(size)),
        };
      };
      const found = await mapConcurrently(unpackDigests(digests), QUESTIONS_AHEAD, stat, options.signal);
      return STAT_BLOBS_RESPONSE.make({ blobs: found });
    }),
    serverStream(methods.readSlice, async function* ({ digest: bytes, from, to }, context) {
      const digest = digestOfRequest(bytes);
      if (from > to) throw new ProtocolError("invalid-argument", "a range begins behind its end");
      const options = leases.optionsOf(context);
      await using reader = await blobs.openRead(digest, options);
      const outboard = reader && (await outboards.get(digest, options));
      if (reader === undefined || outboard === undefined) throw absent("blob", digest);
      // Clipped before it becomes a number.
      const end = to > BigInt(reader.size) ? reader.size + 1 : Number(to);
      // Of a slice's parts many are small.
      yield* piecesOf(encodeSlice(reader, outboard, Math.min(Number(from), end), end), PIECE_BYTES);
    }),
    serverStream(methods.readBlobs, async function* ({ digests }, context) {
      const options = leases.optionsOf(context);
      for (const digest of unpackDigests(digests)) {
        await using reader = await blobs.openRead(digest, options);
        if (reader === undefined) {
          yield READ_BLOBS_RESPONSE.make({ isEnd: true, isAbsent: true });
          continue;
        }
        let before: Uint8Array | undefined;
        for await (const data of reader.stream()) {
          if (before !== undefined) yield READ_BLOBS_RESPONSE.make({ data: before });
          before = data;
        }
        yield READ_BLOBS_RESPONSE.make({ data: before, isEnd: true });
      }
    }),
    clientStream(methods.putBlobs, async (parts, context) => {
      const options = leases.optionsOf(context);
      const put: Digest[] = [];
      let writer = blobs.openWrite(options);
      try {
        for await (const { part } of parts) {
          if (part.case === "data") await writer.write(part.value);
          else if (part.case === "known") await copyInto(writer, digestOfRequest(part.value), services, options);
          else if (part.case === "end") {
            if (put.length === DIGESTS_MAX)
              throw new ProtocolError("resource-exhausted", `at most ${DIGESTS_MAX} blobs in one call`);
            const expected = digestOfRequest(part.value);
            const digest = await writer.close();
            if (digest !== expected)
              throw new ProtocolError("data-loss", `the contents of blob ${expected} came with the digest ${digest}`);
            put.push(digest);
            writer = blobs.openWrite(options);
          }
        }
      } finally {
        await writer.abort();
      }
      return PUT_BLOBS_RESPONSE.make({ digests: packDigests(put) });
    }),
    serverStream(methods.outboard, async function* ({ digest: bytes }, context) {
      const digest = digestOfRequest(bytes);
      const outboard = await outboards.get(digest, leases.optionsOf(context));
      if (outboard === undefined) throw absent("blob", digest);
      for (let at = 0; at < outboard.length; at += PIECE_BYTES) yield outboard.subarray(at, at + PIECE_BYTES);
    }),
  ];
}

/** Outboards that were asked for last: a blob is read in several slices, and most stores compute its outboard from all of it. */
class OutboardCache {
  readonly #blobs: BlobService;
  readonly #known = new LruMap<Digest, Uint8Array>(OUTBOARDS_BYTES_MAX);
  readonly #flights = new SingleFlight<Digest, Uint8Array | undefined>();

  constructor(blobs: BlobService) {
    this.#blobs = blobs;
  }

  async get(digest: Digest, options: CallOptions): Promise<Uint8Array | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const find = (signal: AbortSignal) => outboardOf(this.#blobs, digest, { ...options, signal });
    const found = await this.#flights.run(digest, find, options.signal);
    if (found !== undefined) this.#known.set(digest, found, found.length + KEY_BYTES);
    return found;
  }
}

async function copyInto(
  writer: { write(bytes: Uint8Array): Promise<void> },
  digest: Digest,
  { blobs }: CastoreServices,
  options: CallOptions,
): Promise<void> {
  await using reader = await blobs.openRead(digest, options);
  if (reader === undefined) throw absent("blob", digest);
  for await (const bytes of reader.stream()) await writer.write(bytes);
}

/** Those that are not there, in the order they were given. */
async function lacking(
  digests: readonly Digest[],
  service: { has(digest: Digest, options: CallOptions): Promise<boolean> },
  options: CallOptions,
): Promise<Digest[]> {
  const ask = (digest: Digest, signal: AbortSignal) => service.has(digest, { ...options, signal });
  const there = await mapConcurrently(digests, QUESTIONS_AHEAD, ask, options.signal);
  return digests.filter((_, i) => !there[i]);
}
