/*
Paths written to a binary cache, as C++ Nix writes them: what a path refers to before it, its NAR before its narinfo. What the cache has is not sent again, so
what was stopped goes on where it was.

NARs are packed into a file of this host first, because they are named by the hash of what is packed and a cache wants to know their length.
*/

import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { bytesOf, type ByteStream, concatBytes, mapConcurrently, streamOf } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import { type Compression, compress, extensionOf } from "@firn/compression";
import { createHasher, type Hash, toNixBase32 } from "@firn/hash";
import { DEFAULT_STORE_DIR, printNarInfo, printNixCacheInfo, type StorePath } from "@firn/nix-compat";
import {
  buildTraceName,
  closureOf,
  debugFiles,
  debugInfoName,
  narInfoOf,
  narListing,
  type PathInfo,
  printBuildTraceEntry,
  type Realisation,
  realisationsOf,
  type RealisedStore,
  printDebugInfo,
  renderNar,
  type StoreServices,
} from "@firn/store";
import type { CacheContent } from "./cache-files.ts";
import { HttpCacheError } from "./error.ts";
import type { OpenedNixCache } from "./open-nix-cache.ts";

/** NARs packed and sent at the same time. */
const JOBS_MAX = 4;

export type PublishOptions = CallOptions & {
  readonly storeDir?: string;
  /** A directory of this host for packed NARs on their way. */
  readonly tempDir: string;
  /** Hears of paths that are in the cache by now, and of bytes that were sent. */
  readonly onProgress?: (progress: PublishProgress) => void;
};

export type PublishProgress = { readonly paths: number; readonly pathsTotal: number; readonly bytes: number };

export type PublishResult = PublishProgress & {
  readonly published: readonly StorePath[];
  /** How many realisations of the closure are there now that the store has. */
  readonly realisations: number;
};

/** Publishes the closure of `roots`, and what derivations it came out of. A directory or server that is no cache yet becomes one. */
export async function publish(
  roots: readonly StorePath[],
  from: StoreServices & RealisedStore,
  to: OpenedNixCache,
  options: PublishOptions,
): Promise<PublishResult> {
  const { signal, onProgress, storeDir = DEFAULT_STORE_DIR, tempDir } = options;
  const { files } = to.cache;
  if (await files.has("nix-cache-info", { signal })) await to.cache.info({ signal });
  else {
    const about = bytesOf(printNixCacheInfo({ storeDir, wantMassQuery: true, priority: 50 }));
    await files.write("nix-cache-info", "text/x-nix-cache-info", contentOf(about), { signal });
  }
  const isThere = async (path: StorePath) => {
    const offer = await to.cache.offer(path.hashPart, { signal });
    return offer?.described.path.equals(path) === true;
  };
  const missing = await closureOf(roots, from.pathInfos, { signal, skip: isThere });
  const done = { paths: 0, pathsTotal: missing.length, bytes: 0 };
  onProgress?.({ ...done });
  const onBytes = (count: number) => {
    done.bytes += count;
    onProgress?.({ ...done });
  };
  const directory = await mkdtemp(join(tempDir, "publish-"));
  try {
    const begun = new Map<string, Promise<void>>();
    const publishOne = async (info: PathInfo, inner: AbortSignal) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      promise.catch(() => undefined); // those who wait hear of it, and the whole does
      begun.set(info.path.toString(), promise);
      try {
        const text = await sendNar(info, from, to, {
          storeDir,
          onBytes,
          hostPath: join(directory, info.path.hashPart),
          signal: inner,
        });
        await Promise.all(
          info.references.map((path) => (path.equals(info.path) ? undefined : begun.get(path.toString()))),
        );
        await files.write(`${info.path.hashPart}.narinfo`, "text/x-nix-narinfo", contentOf(bytesOf(text)), {
          signal: inner,
        });
        resolve();
      } catch (thrown) {
        reject(thrown);
        throw thrown;
      }
      done.paths++;
      onProgress?.({ ...done });
    };
    await mapConcurrently(missing, JOBS_MAX, publishOne, signal);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const realised = await realisationsOf(roots, from, { signal });
  await mapConcurrently(realised, JOBS_MAX, (one, inner) => publishRealisation(one, to, { signal: inner }), signal);
  return { ...done, published: missing.map(({ path }) => path), realisations: realised.length };
}

/** As C++ Nix 2.35 keeps them. What the cache says of an output already is left as it is. */
async function publishRealisation(
  realisation: Realisation,
  { cache: { files } }: OpenedNixCache,
  options: CallOptions,
): Promise<void> {
  const name = buildTraceName(realisation.drvPath, realisation.output);
  if (await files.has(name, options)) return;
  await files.write(name, "application/json", contentOf(bytesOf(printBuildTraceEntry(realisation))), options);
}

type SendOptions = {
  readonly storeDir: string;
  /** Where the packed NAR is meanwhile. */
  readonly hostPath: string;
  readonly onBytes: (count: number) => void;
  readonly signal: AbortSignal;
};

/** Sends a NAR and what is written beside it, unless they are there; yields the text of the narinfo. */
async function sendNar(
  info: PathInfo,
  from: StoreServices,
  { cache: { files }, compression, writesListings, indexesDebugInfo }: OpenedNixCache,
  { storeDir, hostPath, onBytes, signal }: SendOptions,
): Promise<string> {
  const packed = await pack(info, from, compression, hostPath, signal);
  const url = `nar/${toNixBase32(packed.hash.bytes)}.nar${extensionOf(compression)}`;
  if (writesListings) {
    const listing = concatBytes(await Array.fromAsync(narListing(info.node, from.directories, { signal })));
    await files.write(`${info.path.hashPart}.ls`, "application/json", contentOf(listing), { signal });
  }
  for (const file of indexesDebugInfo ? await debugFiles(info.node, from.directories, { signal }) : [])
    await files.write(debugInfoName(file.buildId), "application/json", contentOf(printDebugInfo(file, url)), {
      signal,
    });
  if (!(await files.has(url, { signal }))) {
    const stream = async function* (): ByteStream {
      for await (const chunk of createReadStream(hostPath, { highWaterMark: 256 * 1024 })) {
        onBytes((chunk as Uint8Array).length);
        yield chunk as Uint8Array;
      }
    };
    await files.write(url, "application/x-nix-nar", { bytes: packed.bytes, stream }, { signal });
  }
  await rm(hostPath);
  const file = { url, compression, fileHash: packed.hash, fileSize: packed.bytes };
  return printNarInfo(narInfoOf(info, file), storeDir);
}

async function pack(
  info: PathInfo,
  from: StoreServices,
  compression: Compression,
  hostPath: string,
  signal: AbortSignal,
): Promise<{ readonly hash: Hash; readonly bytes: number }> {
  const hasher = createHasher("sha256");
  let [bytes, narSize] = [0, 0];
  const plain = async function* (): ByteStream {
    for await (const chunk of renderNar(info.node, from, { signal })) {
      narSize += chunk.length;
      yield chunk;
    }
  };
  await using file = await open(hostPath, "wx");
  for await (const chunk of compress(plain(), compression, signal)) {
    hasher.update(chunk);
    bytes += chunk.length;
    await file.writeFile(chunk);
  }
  if (narSize !== info.narSize)
    throw new HttpCacheError(
      "malformed",
      `the NAR of ${info.path} has ${narSize} bytes, the store says ${info.narSize}`,
    );
  return { hash: { algorithm: "sha256", bytes: hasher.digest() }, bytes };
}

function contentOf(bytes: Uint8Array): CacheContent {
  return { bytes: bytes.length, stream: () => streamOf(bytes) };
}
