/*
Writes what an evaluation wants stored (pending.ts): sources first, then texts and derivations, what is referred to before what refers
to it. Nothing that is registered already is touched, so writing the same again costs a look-up per object.

An instantiation writes thousands of small files: their NAR hashes are made from the texts in memory, blobs are put many at once (a store
can commit them together) and path infos in large batches.
*/

import {
  assert,
  bytesOf,
  type ByteString,
  byteStringOfText,
  mapConcurrently,
  textOf,
  throwIfAborted,
} from "@firn/base";
import {
  type BlobService,
  type CallOptions,
  CastoreError,
  type DirectoryService,
  type FileNode,
  lookup,
  type Node,
  type TreeImporter,
} from "@firn/castore";
import { createHasher, fromHex, type Hash, hashBytes, toHex } from "@firn/hash";
import {
  type ContentAddress,
  DEFAULT_STORE_DIR,
  isBelowStoreDir,
  makeFixedOutputPath,
  makeTextPathOfHash,
  NarWriter,
  parseAbsoluteStorePath,
  parseStorePathPrefix,
  type StorePath,
} from "@firn/nix-compat";
import { calculateNar, type PathInfo, type PathInfoService, sortedReferences } from "@firn/store";
import { GlueError } from "./error.ts";
import { fetchToStore } from "./fetch-to-store.ts";
import type { Fetcher } from "./fetcher.ts";
import { filterTree } from "./filter-tree.ts";
import type { PendingObject } from "./pending.ts";

type PendingText = Extract<PendingObject, { readonly text: ByteString }>;
type PendingSource = Extract<PendingObject, { readonly kind: "source" }>;

/** Texts registered by one put. */
const BATCH_TEXTS = 1024;
/** Texts of a batch being stored at once. */
const TEXTS_UNDER_WAY = 256;
/** Look-ups under way at once. */
const LOOKUPS_MAX = 64;

export type WritePendingStores = {
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly pathInfos: PathInfoService;
  /** For what is copied from the host; absent: that is refused. */
  readonly importer?: TreeImporter;
};

/** Objects done of all, those found registered included; files and bytes of the source being copied, absent before its first. */
export type WriteProgress = {
  readonly done: number;
  readonly total: number;
  readonly source?: { readonly path: ByteString; readonly files: number; readonly bytes: number };
};

export type WritePendingOptions = CallOptions & {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** /nix/store when not said. */
  readonly storeDir?: string;
  readonly onProgress?: (progress: WriteProgress) => void;
  /** For what is fetched lazily; absent: that is refused. */
  readonly fetcher?: Fetcher;
};

/**
 * Registers all objects; of equal paths the first counts. They are held by the lease, if there is one. Throws `changed` when a source is
 * not what the evaluation saw any more, `unsupported` for a host path that is no UTF-8, and errors of the stores. Each put of path infos is all or
 * nothing, so whatever happens, what is registered is complete.
 */
export async function writePending(
  objects: readonly PendingObject[],
  stores: WritePendingStores,
  options: WritePendingOptions,
): Promise<void> {
  const writer = new PendingWriter(stores, options, objects.length);
  const missing = await writer.missing(objects);
  for (const object of missing) if (object.kind === "fetch") await writer.writeFetched(object);
  for (const object of missing) if (object.kind === "source") await writer.writeSource(object);
  await writer.writeTexts(inOrder(missing.filter((object) => "text" in object)));
}

class PendingWriter {
  readonly #stores: WritePendingStores;
  readonly #options: WritePendingOptions;
  readonly #storeDir: string;
  readonly #total: number;
  #done = 0;

  constructor(stores: WritePendingStores, options: WritePendingOptions, total: number) {
    this.#stores = stores;
    this.#options = options;
    this.#storeDir = options.storeDir ?? DEFAULT_STORE_DIR;
    this.#total = total;
  }

  /** The objects whose paths are not registered, each path once. */
  async missing(objects: readonly PendingObject[]): Promise<PendingObject[]> {
    const { signal, lease } = this.#options;
    const byPath = new Map<ByteString, PendingObject>();
    for (const object of objects) if (!byPath.has(object.path)) byPath.set(object.path, object);
    const find = (path: ByteString) => this.#stores.pathInfos.get(this.#parse(path).hashPart, { lease });
    const infos = await mapConcurrently(byPath.keys(), LOOKUPS_MAX, find, signal);
    const missing = [...byPath.values()].filter((_, index) => infos[index] === undefined);
    this.#report(this.#total - missing.length);
    return missing;
  }

  /** Fetches what an address leads to, which must be what it was said to be. */
  async writeFetched(object: Extract<PendingObject, { readonly kind: "fetch" }>): Promise<void> {
    const { fetcher } = this.#options;
    if (fetcher === undefined)
      throw new GlueError("unsupported", `'${object.url}' cannot be fetched: nothing here fetches anything`);
    const { url, unpack, sha256 } = object;
    const { name } = this.#parse(object.path);
    const options = { ...this.#call(), now: this.#options.now, storeDir: this.#storeDir };
    await fetchToStore({ url, name, unpack, sha256 }, this.#stores, fetcher, options);
    this.#report(1);
  }

  /** Copies a source from the host or out of the store, and registers it when it is what the evaluation hashed. */
  async writeSource(source: PendingSource): Promise<void> {
    const path = this.#parse(source.path);
    const hash: Hash = { algorithm: "sha256", bytes: fromHex(source.sha256) ?? new Uint8Array(0) };
    const contentAddress: ContentAddress = { method: source.method, hash };
    const references = sortedReferences((source.references ?? []).map((reference) => this.#parse(reference)));
    assert(
      makeFixedOutputPath({ ...contentAddress, name: path.name, references }, this.#storeDir).equals(path),
      "a source's path follows from its hash",
    );
    const imported = isBelowStoreDir(source.hostPath, this.#storeDir)
      ? await this.#copy(source)
      : await this.#import(source);
    let node: Node = imported;
    if (source.method === "flat") {
      if (imported.kind !== "file") throw changed(source, "it is no regular file any more");
      node = { ...imported, executable: false }; // only the contents were hashed, so only they are kept
    }
    const nar = await calculateNar(node, this.#stores, this.#call());
    const got = source.method === "nar" ? nar.narSha256 : await this.#hashFile(node as FileNode);
    if (toHex(got) !== source.sha256)
      throw changed(source, `its ${source.method} hash was ${source.sha256} and is ${toHex(got)} now`);
    await this.#stores.pathInfos.put([this.#info(path, node, nar, references, contentAddress)], this.#call());
    this.#report(1);
  }

  /** Stores and registers texts, which come in an order where nothing refers to a later one. */
  async writeTexts(texts: readonly PendingText[]): Promise<void> {
    for (let from = 0; from < texts.length; from += BATCH_TEXTS) {
      const batch = texts.slice(from, from + BATCH_TEXTS);
      const infos = await mapConcurrently(
        batch,
        TEXTS_UNDER_WAY,
        (text) => this.#storeText(text),
        this.#options.signal,
      );
      await this.#stores.pathInfos.put(infos, this.#call());
      this.#report(batch.length);
    }
  }

  async #storeText(text: PendingText): Promise<PathInfo> {
    const path = this.#parse(text.path);
    const bytes = bytesOf(text.text);
    const hash: Hash = { algorithm: "sha256", bytes: hashBytes("sha256", bytes) };
    const follows = makeTextPathOfHash(path.name, toHex(hash.bytes), text.references, this.#storeDir);
    assert(follows.equals(path), "a text's path follows from its contents and references");
    const digest = await this.#stores.blobs.put(bytes, this.#call());
    const node: Node = { kind: "file", digest, size: bytes.length, executable: false };
    const references = sortedReferences(text.references.map((reference) => this.#parse(reference)));
    return this.#info(path, node, narOfFile(bytes), references, { method: "text", hash });
  }

  /** The tree of a source that is in the store. */
  async #copy(source: PendingSource): Promise<Node> {
    const { path, rest } = parseStorePathPrefix(source.hostPath, this.#storeDir);
    const info = await this.#stores.pathInfos.get(path.hashPart, this.#call());
    const root = info?.path.equals(path) ? await lookup(this.#stores, info.node, rest, this.#call()) : undefined;
    if (root === undefined) throw changed(source, "it is not in the store any more");
    if (source.included === undefined) return root;
    const included = new Set(source.included);
    return await filterTree(this.#stores.directories, root, (below) => included.has(below), this.#call());
  }

  async #import(source: PendingSource): Promise<Node> {
    const included = source.included && new Set(source.included);
    const { lease, signal } = this.#options;
    const { importer } = this.#stores;
    if (importer === undefined)
      throw new GlueError("unsupported", `'${source.hostPath}' cannot be copied: nothing of the host is copied here`);
    try {
      return await importer.importTree(hostPathOf(source), {
        lease,
        signal,
        filter: included && ((path) => included.has(path)),
        onProgress: ({ files, bytes }) => this.#report(0, { path: source.path, files, bytes }),
      });
    } catch (thrown) {
      if (thrown instanceof CastoreError && thrown.code === "changed") throw changed(source, thrown.message, thrown);
      throw thrown;
    }
  }

  async #hashFile(file: FileNode): Promise<Uint8Array> {
    await using reader = await this.#stores.blobs.openRead(file.digest, this.#call());
    if (reader === undefined) throw new GlueError("missing-input", `blob ${file.digest} is not stored`);
    const hasher = createHasher("sha256");
    for await (const chunk of reader.stream()) hasher.update(chunk);
    return hasher.digest();
  }

  #info(
    path: StorePath,
    node: Node,
    nar: Pick<PathInfo, "narSha256" | "narSize">,
    references: readonly StorePath[],
    contentAddress: ContentAddress,
  ): PathInfo {
    return {
      path,
      node,
      ...nar,
      references,
      contentAddress,
      signatures: [],
      registeredAt: Math.floor(this.#options.now() / 1000),
    };
  }

  #parse(path: ByteString): StorePath {
    return parseAbsoluteStorePath(path, this.#storeDir);
  }

  #call(): CallOptions {
    throwIfAborted(this.#options.signal);
    return { lease: this.#options.lease, signal: this.#options.signal };
  }

  #report(done: number, source?: WriteProgress["source"]): void {
    this.#done += done;
    this.#options.onProgress?.({ done: this.#done, total: this.#total, source });
  }
}

/** The texts such that none refers to a later one. */
function inOrder(texts: readonly PendingText[]): PendingText[] {
  const byPath = new Map(texts.map((text) => [text.path, text]));
  const ordered = new Set<PendingText>();
  const entered = new Set<PendingText>();
  const stack = texts.toReversed();
  for (let text = stack.at(-1); text !== undefined; text = stack.at(-1)) {
    const isNew = !entered.has(text);
    entered.add(text);
    const before = stack.length;
    if (isNew) {
      for (const reference of text.references) {
        const target = byPath.get(reference);
        if (target !== undefined && !entered.has(target)) stack.push(target);
      }
    }
    if (stack.length > before) continue;
    stack.pop();
    ordered.add(text);
  }
  return [...ordered];
}

/** SHA-256 and size of the NAR of a file that is not executable. */
function narOfFile(bytes: Uint8Array): { readonly narSha256: Uint8Array; readonly narSize: number } {
  const hasher = createHasher("sha256");
  let narSize = 0;
  const writer = new NarWriter((chunk) => {
    hasher.update(chunk);
    narSize += chunk.length;
  });
  writer.startFile(bytes.length, false);
  writer.contents(bytes);
  writer.finish();
  return { narSha256: hasher.digest(), narSize };
}

/** Importers take text, so the root of a copy must be UTF-8. Names below it may be any bytes: those the importer reads itself. */
function hostPathOf({ hostPath }: PendingSource): string {
  const text = textOf(hostPath);
  if (byteStringOfText(text) === hostPath) return text;
  throw new GlueError("unsupported", `'${text}' cannot be copied: the path is not UTF-8`, { context: { path: text } });
}

function changed(source: PendingSource, how: string, cause?: unknown): GlueError {
  const host = textOf(source.hostPath);
  return new GlueError("changed", `'${host}' changed during the evaluation: ${how}`, {
    context: { path: host, storePath: source.path },
    cause,
  });
}
