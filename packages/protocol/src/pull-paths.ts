/*
Paths brought from one of Firn's servers: the closure comes in one call, the trees that are new each in one, the chunk lists of all new files in one, and all
chunks that are not here in one stream. Nothing that comes is believed.
*/

import { concatBytes, throwIfAborted } from "@firn/base";
import {
  type CallOptions,
  CastoreError,
  checkRecursive,
  type Digest,
  type Directory,
  leavesFirst,
  type Node,
  readBlob,
} from "@firn/castore";
import { createHasher, toHex } from "@firn/hash";
import type { StorePath } from "@firn/nix-compat";
import {
  checkNar,
  closureOf,
  type CopyOptions,
  type CopyResult,
  type PathInfo,
  StoreError,
  type StoreServices,
} from "@firn/store";
import { DIGESTS_AT_ONCE, notInSource, Progress } from "./bulk-copy.ts";
import { CONTENT_METHODS, READ_BLOBS_REQUEST, STAT_BLOBS_REQUEST } from "./castore-methods.ts";
import { packDigests, unpackDigests } from "./digest-list.ts";
import { numberOfMessage } from "./node-message.ts";
import { bytesOfHashPart, pathInfoOfFirnMessage } from "./path-info-message.ts";
import type { Peer } from "./peer.ts";
import { RemoteDirectories } from "./remote-directories.ts";
import { callServerStream, callUnary } from "./rpc.ts";
import { storeErrorOf } from "./status.ts";
import { CLOSURE_REQUEST, FIRN_STORE_METHODS } from "./store-methods.ts";

/** Longest chunk that is taken, in bytes. */
const CHUNK_BYTES_MAX = 64 * 1024 * 1024;

/** Brings the closure of `roots` from the peer, which must be one of Firn's. Throws `missing`, `mismatch` or castore's `corrupt`. */
export async function pullPaths(
  roots: readonly StorePath[],
  peer: Peer,
  to: StoreServices,
  options: CopyOptions,
): Promise<CopyResult> {
  try {
    return await new Pull(peer, to, options).run(roots);
  } catch (thrown) {
    throwIfAborted(options.signal);
    throw storeErrorOf(thrown);
  }
}

class Pull {
  readonly #peer: Peer;
  readonly #to: StoreServices;
  readonly #options: CopyOptions;
  readonly #progress: Progress;

  constructor(peer: Peer, to: StoreServices, options: CopyOptions) {
    this.#peer = peer;
    this.#to = to;
    this.#options = options;
    this.#progress = new Progress(options);
  }

  async run(roots: readonly StorePath[]): Promise<CopyResult> {
    const { signal, lease, registeredAt } = this.#options;
    const progress = this.#progress;
    const infos = await this.#closure(roots);
    progress.pathsTotal = infos.length;
    progress.tell();
    const trees = new Map<Digest, readonly Directory[]>();
    const blobs = new Set<Digest>();
    for (const { node } of infos) await this.#treeOf(node, trees, blobs);
    await this.#bringBlobs(blobs);
    for (const tree of trees.values()) {
      await using putter = this.#to.directories.openPut({ signal, lease });
      for (const directory of tree) await putter.put(directory);
      await putter.close();
    }
    for (const info of infos) {
      await checkNar(info, this.#to, { signal });
      progress.paths++;
      progress.tell();
    }
    await this.#to.pathInfos.put(
      infos.map((info) => ({ ...info, registeredAt })),
      { signal, lease },
    );
    return progress.result(infos.map(({ path }) => path));
  }

  /** What the target lacks of the closure, references first. */
  async #closure(roots: readonly StorePath[]): Promise<readonly PathInfo[]> {
    const { signal, lease } = this.#options;
    const lacking: StorePath[] = [];
    for (const path of roots) if (!(await this.#isThere(path))) lacking.push(path);
    if (lacking.length === 0) return [];
    const found = new Map<string, PathInfo>();
    const { channel } = this.#peer;
    const request = CLOSURE_REQUEST.make({
      roots: concatBytes(lacking.map(({ hashPart }) => bytesOfHashPart(hashPart))),
    });
    for await (const { pathInfo } of callServerStream(channel, FIRN_STORE_METHODS.closure, request, { signal })) {
      const info = pathInfoOfFirnMessage(pathInfo);
      found.set(info.path.hashPart, info);
    }
    // Walked again: the peer's order and completeness are its word only.
    const get = async (hashPart: string) => found.get(hashPart);
    return closureOf(lacking, { get }, { signal, lease, skip: (path) => this.#isThere(path) });
  }

  async #isThere(path: StorePath): Promise<boolean> {
    const { signal, lease } = this.#options;
    return (await this.#to.pathInfos.get(path.hashPart, { signal, lease }))?.path.equals(path) === true;
  }

  /** Adds the directories of a tree that the target lacks, children first, and the contents of their files. */
  async #treeOf(node: Node, trees: Map<Digest, readonly Directory[]>, blobs: Set<Digest>): Promise<void> {
    const { signal, lease } = this.#options;
    if (node.kind === "file") blobs.add(node.digest);
    if (node.kind !== "directory" || trees.has(node.digest)) return;
    if (await this.#to.directories.has(node.digest, { signal, lease })) return;
    const coming = new RemoteDirectories(this.#peer).getRecursive(node.digest, { signal });
    const tree = await Array.fromAsync(leavesFirst(node.digest, checkRecursive(node.digest, coming)));
    if (tree.length === 0) throw notInSource("directory", node.digest);
    trees.set(node.digest, tree);
    for (const { entries, encoded } of tree) {
      this.#progress.bytes += encoded.length;
      for (const { node: child } of entries) if (child.kind === "file") blobs.add(child.digest);
    }
  }

  async #bringBlobs(digests: ReadonlySet<Digest>): Promise<void> {
    const { signal, lease } = this.#options;
    const { blobs } = this.#to;
    const lacking: Digest[] = [];
    for (const digest of digests) if (!(await blobs.has(digest, { signal, lease }))) lacking.push(digest);
    for (let at = 0; at < lacking.length; at += DIGESTS_AT_ONCE)
      await this.#bringSome(lacking.slice(at, at + DIGESTS_AT_ONCE));
  }

  async #bringSome(digests: readonly Digest[]): Promise<void> {
    const { signal } = this.#options;
    const { blobs } = this.#to;
    const { channel } = this.#peer;
    const request = STAT_BLOBS_REQUEST.make({ digests: packDigests(digests), sendChunks: true });
    const stats = (await callUnary(channel, CONTENT_METHODS.statBlobs, request, { signal })).blobs;
    if (stats.length !== digests.length) throw new StoreError("malformed", `${channel.label} answered for other blobs`);
    /** Of each blob, what it is put together of, and whether that is here. */
    const plans = new Map<
      Digest,
      readonly { readonly digest: Digest; readonly size: number; readonly isHere: boolean }[]
    >();
    const wanted: Digest[] = [];
    const known = new Map<Digest, boolean>();
    const isHereAlready = async (chunk: Digest) => {
      const isHere = known.get(chunk) ?? (await blobs.has(chunk, { signal }));
      known.set(chunk, isHere);
      return isHere;
    };
    for (const [i, digest] of digests.entries()) {
      const { isPresent, size, chunkDigests, chunkSizes } = stats[i];
      if (!isPresent) throw notInSource("blob", digest);
      const chunks = unpackDigests(chunkDigests).map((one, at) => ({
        digest: one,
        size: numberOfMessage(chunkSizes[at], "a size"),
      }));
      const isGranular = chunks.length > 1 && chunks.every((chunk) => chunk.size <= CHUNK_BYTES_MAX);
      const parts = isGranular ? chunks : [{ digest, size: numberOfMessage(size, "a size") }];
      const plan = [];
      for (const part of parts) {
        const isHere = isGranular && blobs.supports.chunks && (await isHereAlready(part.digest));
        if (!isHere) wanted.push(part.digest);
        plan.push({ ...part, isHere });
      }
      plans.set(digest, plan);
    }
    const coming = new BlobStream(this.#peer, wanted, { signal });
    try {
      for (const [digest, plan] of plans) await this.#putTogether(digest, plan, coming);
    } finally {
      await coming.end();
    }
  }

  async #putTogether(
    digest: Digest,
    plan: readonly { readonly digest: Digest; readonly size: number; readonly isHere: boolean }[],
    coming: BlobStream,
  ): Promise<void> {
    const { signal, lease } = this.#options;
    const { blobs } = this.#to;
    // The digest is taken here as well: a writer would store other bytes under their own name first.
    const hasher = createHasher("blake3");
    await using writer = blobs.openWrite({ signal, lease });
    const take = async (bytes: Uint8Array) => {
      hasher.update(bytes);
      await writer.write(bytes);
    };
    for (const part of plan) {
      if (part.isHere) {
        await take(await readBlob(blobs, part.digest, CHUNK_BYTES_MAX, { signal }));
        this.#progress.bytesSpared += part.size;
        continue;
      }
      for await (const bytes of coming.next(part.digest)) {
        await take(bytes);
        this.#progress.bytes += bytes.length;
        this.#progress.tell();
      }
    }
    if (toHex(hasher.digest()) !== digest)
      throw new CastoreError("corrupt", `${this.#peer.channel.label} sent other bytes for blob ${digest}`, {
        context: { digest },
      });
    await writer.close();
  }
}

/** Many blobs one after another in one call. */
class BlobStream {
  readonly #label: string;
  readonly #messages: AsyncGenerator<
    { readonly data: Uint8Array; readonly isEnd: boolean; readonly isAbsent: boolean },
    void
  >;

  constructor({ channel }: Peer, digests: readonly Digest[], options: CallOptions) {
    this.#label = channel.label;
    const request = READ_BLOBS_REQUEST.make({ digests: packDigests(digests) });
    this.#messages = callServerStream(channel, CONTENT_METHODS.readBlobs, request, { signal: options.signal });
  }

  /** The contents of the next one, which must be this. Whoever takes them checks the digest of the whole. */
  async *next(digest: Digest): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const { done, value } = await this.#messages.next();
      if (done)
        throw new CastoreError("corrupt", `${this.#label} ended before blob ${digest}`, { context: { digest } });
      if (value.isAbsent) throw notInSource("blob", digest);
      if (value.data.length > 0) yield value.data;
      if (value.isEnd) return;
    }
  }

  async end(): Promise<void> {
    await this.#messages.return();
  }
}
