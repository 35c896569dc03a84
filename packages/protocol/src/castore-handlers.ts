/*
castore.v1 over any services: blobs and directories under both of its names. What callers say is checked here as far as the services below do not.
*/

import { bytesOfDigest, type CastoreServices, type Digest, type Directory, outboardOf } from "@firn/castore";
import { CASTORE_METHODS, type Dialect, STAT_BLOB_RESPONSE } from "./castore-methods.ts";
import { digestOfRequest } from "./digest-list.ts";
import { ProtocolError } from "./error.ts";
import type { HeldLeases } from "./held-leases.ts";
import { clientStream, type RpcHandler, serverStream, unary } from "./rpc.ts";

/** Longest outboard that goes into one answer, in bytes; `Outboard` of Firn's own service streams longer ones. */
const BAO_BYTES_MAX = 2 * 1024 * 1024;

export function castoreHandlers(
  dialect: Dialect,
  services: CastoreServices,
  leases: HeldLeases,
): readonly RpcHandler[] {
  const { blobs, directories } = services;
  const { stat, read, putBlob, getDirectories, putDirectories } = CASTORE_METHODS[dialect];
  return [
    unary(stat, async ({ digest: bytes, sendChunks, sendBao }, context) => {
      const digest = digestOfRequest(bytes);
      const options = leases.optionsOf(context);
      const isThere = sendChunks ? undefined : await blobs.has(digest, options);
      const chunks = isThere === undefined ? await blobs.chunks(digest, options) : isThere ? [] : undefined;
      if (chunks === undefined) throw absent("blob", digest);
      const bao = sendBao ? await outboardOf(blobs, digest, options) : undefined;
      return STAT_BLOB_RESPONSE.make({
        chunks: chunks.map((chunk) => ({ digest: bytesOfDigest(chunk.digest), size: BigInt(chunk.size) })),
        bao: bao !== undefined && bao.length <= BAO_BYTES_MAX ? bao : undefined,
      });
    }),
    serverStream(read, async function* (bytes, context) {
      const digest = digestOfRequest(bytes);
      await using reader = await blobs.openRead(digest, leases.optionsOf(context));
      if (reader === undefined) throw absent("blob", digest);
      yield* reader.stream();
    }),
    clientStream(putBlob, async (pieces, context) => {
      await using writer = blobs.openWrite(leases.optionsOf(context));
      for await (const piece of pieces) await writer.write(piece);
      return bytesOfDigest(await writer.close());
    }),
    serverStream(getDirectories, ({ byWhat, recursive }, context) => {
      if (byWhat.case !== "digest") throw new ProtocolError("invalid-argument", "the request names no directory");
      const digest = digestOfRequest(byWhat.value);
      const options = leases.optionsOf(context);
      return recursive ? directories.getRecursive(digest, options) : one(digest, directories.get(digest, options));
    }),
    clientStream(putDirectories, async (coming, context) => {
      await using putter = directories.openPut(leases.optionsOf(context));
      for await (const directory of coming) await putter.put(directory);
      return bytesOfDigest(await putter.close());
    }),
  ];
}

async function* one(digest: Digest, finding: Promise<Directory | undefined>): AsyncGenerator<Directory, void> {
  const directory = await finding;
  if (directory === undefined) throw absent("directory", digest);
  yield directory;
}

export function absent(what: "blob" | "directory", digest: Digest): ProtocolError {
  return new ProtocolError("not-found", `${what} ${digest} is not there`);
}

/** Whether a call's failure says that what it asked for is not there, and nothing else. */
export function isAbsence(thrown: unknown): boolean {
  return thrown instanceof ProtocolError && thrown.code === "not-found" && thrown.context.detail === undefined;
}
