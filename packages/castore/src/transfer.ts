/*
Taking a blob or a tree of directories from one place to another so that only what is missing travels: chunks that the target has are read there,
subtrees that it has are not looked into. What arrives is checked against its digest before it is stored.
*/

import { giveBack, mapConcurrently, throwIfAborted } from "@firn/base";
import { createHasher, toHex } from "@firn/hash";
import type { BlobService, ChunkMeta } from "./blob-service.ts";
import { digestOf } from "./digest.ts";
import type { Directory } from "./directory.ts";
import { GRAPH_DIRECTORIES_MAX, leavesFirstOf } from "./directory-graph.ts";
import type { DirectoryService } from "./directory-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import { readBlob } from "./lookup.ts";
import type { Digest } from "./node.ts";

/** Chunks fetched at the same time, so that latency is paid once for several. */
const CHUNKS_AHEAD = 8;
/** Longest chunk that is taken; a blob with a longer one is taken whole. */
const CHUNK_BYTES_MAX = 8 * 1024 * 1024;
const DIRECTORIES_AHEAD = 32;

export type TransferOptions = {
  readonly signal?: AbortSignal;
  /** A lease of the target's, which holds what is put. */
  readonly lease?: CallOptions["lease"];
  /** Called with the bytes that came from the source, as they come. */
  readonly onBytes?: (count: number) => void;
  /** Called with the bytes of chunks that the target had already. */
  readonly onBytesSpared?: (count: number) => void;
};

/** Makes the target have the blob; false when the source does not. Throws `corrupt` when the source's bytes are others. */
export async function transferBlob(
  digest: Digest,
  from: BlobService,
  to: BlobService,
  options: TransferOptions = {},
): Promise<boolean> {
  const { signal, lease } = options;
  const chunks = from.supports.chunks && to.supports.chunks ? await from.chunks(digest, { signal }) : [];
  if (chunks === undefined) return false;
  const isGranular = chunks.length > 0 && chunks.every(({ size }) => size <= CHUNK_BYTES_MAX);
  const source = isGranular ? granular(chunks, from, to, options) : await whole(digest, from, options);
  if (source === undefined) return false;
  // The digest is taken here as well: a writer would store other bytes under their own name first.
  const hasher = createHasher("blake3");
  await using writer = to.openWrite({ signal, lease });
  for await (const bytes of source) {
    hasher.update(bytes);
    await writer.write(bytes);
    giveBack(bytes);
  }
  if (toHex(hasher.digest()) !== digest)
    throw new CastoreError("corrupt", `blob ${digest} came with bytes of another digest`, { context: { digest } });
  await writer.close();
  return true;
}

async function whole(digest: Digest, from: BlobService, { signal, onBytes }: TransferOptions) {
  const reader = await from.openRead(digest, { signal });
  if (reader === undefined) return undefined;
  return (async function* () {
    await using open = reader;
    for await (const bytes of open.stream()) {
      onBytes?.(bytes.length);
      yield bytes;
    }
  })();
}

/** The chunks in order, a few of them on their way at any time. */
async function* granular(chunks: readonly ChunkMeta[], from: BlobService, to: BlobService, options: TransferOptions) {
  const { signal } = options;
  const waiting: Promise<Uint8Array>[] = [];
  for (let next = 0; next < chunks.length || waiting.length > 0; ) {
    throwIfAborted(signal);
    while (next < chunks.length && waiting.length < CHUNKS_AHEAD) {
      const chunk = takeChunk(chunks[next++], from, to, options);
      chunk.catch(() => undefined); // reported when its turn comes
      waiting.push(chunk);
    }
    yield await (waiting.shift() as Promise<Uint8Array>);
  }
}

async function takeChunk({ digest, size }: ChunkMeta, from: BlobService, to: BlobService, options: TransferOptions) {
  const { signal, onBytes, onBytesSpared } = options;
  if (await to.has(digest, { signal })) {
    const bytes = await readBlob(to, digest, CHUNK_BYTES_MAX, { signal }).catch(() => undefined); // swept meanwhile: fetch it
    if (bytes?.length === size) {
      onBytesSpared?.(size);
      return bytes;
    }
  }
  const bytes = await readBlob(from, digest, CHUNK_BYTES_MAX, { signal });
  if (bytes.length !== size || digestOf(bytes) !== digest)
    throw new CastoreError("corrupt", `chunk ${digest} came with bytes of another digest`, { context: { digest } });
  onBytes?.(size);
  return bytes;
}

export type DirectoryTransferOptions = TransferOptions & {
  /** Sees each directory that travels, before it is stored: the place to fetch what it refers to. */
  readonly onDirectory?: (directory: Directory) => Promise<void> | void;
  /** Awaited before any directory is stored. */
  readonly beforePut?: () => Promise<void>;
};

/**
 * Makes the target have the tree of directories below `root`; false when the source has no such root. The target must keep the promise
 * that a directory it has comes with all below it. Throws `missing` when the source lacks a part.
 */
export async function transferDirectories(
  root: Digest,
  from: DirectoryService,
  to: DirectoryService,
  options: DirectoryTransferOptions = {},
): Promise<boolean> {
  const { signal, lease, onBytes, onDirectory, beforePut } = options;
  if (await to.has(root, { signal, lease })) return true;
  const missing = new Map<Digest, Directory>();
  const take = async (directory: Directory) => {
    missing.set(directory.digest, directory);
    if (missing.size > GRAPH_DIRECTORIES_MAX)
      throw new CastoreError("limit", `the tree ${root} has more than ${GRAPH_DIRECTORIES_MAX} directories`);
    onBytes?.(directory.encoded.length);
    await onDirectory?.(directory);
  };
  const first = await from.get(root, { signal });
  if (first === undefined) return false;
  let level: Digest[] = await lacking(first, to, options);
  const isAllNew = level.length === new Set([...first.children()].map(({ digest }) => digest)).size;
  if (level.length > 0 && (isAllNew || !from.supports.everyDirectory)) {
    // Nothing is known of this tree, or it cannot be had in parts, so it may as well come in one stream.
    for await (const directory of from.getRecursive(root, { signal })) await take(directory);
  } else {
    await take(first);
    while (level.length > 0) {
      const next = new Set<Digest>();
      await mapConcurrently(
        level.filter((digest) => !missing.has(digest)),
        DIRECTORIES_AHEAD,
        async (digest) => {
          const directory = await from.get(digest, { signal });
          if (directory === undefined || directory.digest !== digest)
            throw new CastoreError("missing", `directory ${digest}, part of ${root}, is not in the source`, {
              context: { digest },
            });
          await take(directory);
          for (const child of await lacking(directory, to, options)) next.add(child);
        },
        signal,
      );
      level = [...next].filter((digest) => !missing.has(digest));
    }
  }
  await beforePut?.();
  await putTree(root, missing, to, { signal, lease });
  return true;
}

/** Children that the target does not have, each once. */
async function lacking(
  directory: Directory,
  to: DirectoryService,
  { signal, lease }: TransferOptions,
): Promise<Digest[]> {
  const children = [...new Set([...directory.children()].map(({ digest }) => digest))];
  const there = await Promise.all(children.map((digest) => to.has(digest, { signal, lease })));
  return children.filter((_, i) => !there[i]);
}

/** Puts those of a tree that are missing, leaves first; the others are there. */
async function putTree(
  root: Digest,
  missing: ReadonlyMap<Digest, Directory>,
  to: DirectoryService,
  options: CallOptions,
): Promise<void> {
  await using putter = to.openPut(options);
  const top = missing.get(root) as Directory;
  for (const directory of leavesFirstOf(top, (digest) => missing.get(digest))) await putter.put(directory);
  await putter.close();
}
