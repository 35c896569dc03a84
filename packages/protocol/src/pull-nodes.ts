/*
Trees brought from one of Firn's servers: those that are new each in one call, the chunk lists of all new files in one, and all chunks that are not here in one stream. Nothing
that comes is believed.
*/

import {
  type CallOptions,
  CastoreError,
  type CastoreServices,
  checkRecursive,
  type Digest,
  type Directory,
  leavesFirst,
  type Node,
  readBlob,
} from "@firn/castore";
import { createHasher, toHex } from "@firn/hash";
import { StoreError } from "@firn/store";
import { DIGESTS_AT_ONCE, notInSource, type Progress } from "./bulk-copy.ts";
import { CONTENT_METHODS, READ_BLOBS_REQUEST, STAT_BLOBS_REQUEST } from "./castore-methods.ts";
import { packDigests, unpackDigests } from "./digest-list.ts";
import { numberOfMessage } from "./node-message.ts";
import type { Peer } from "./peer.ts";
import { RemoteDirectories } from "./remote-directories.ts";
import { callServerStream, callUnary } from "./rpc.ts";

/** Longest chunk that is taken, in bytes. */
const CHUNK_BYTES_MAX = 64 * 1024 * 1024;

/** Brings these nodes with all below them from the peer, which must be one of Firn's; the lease holds them. Throws `missing`, castore's `corrupt`, or protocol's errors. */
export async function pullNodes(
  nodes: readonly Node[],
  peer: Peer,
  to: CastoreServices,
  options: CallOptions,
  progress: Progress,
): Promise<void> {
  await new NodePull(peer, to, options, progress).run(nodes);
}

class NodePull {
  readonly #peer: Peer;
  readonly #to: CastoreServices;
  readonly #options: CallOptions;
  readonly #progress: Progress;

  constructor(peer: Peer, to: CastoreServices, options: CallOptions, progress: Progress) {
    this.#peer = peer;
    this.#to = to;
    this.#options = options;
    this.#progress = progress;
  }

  async run(nodes: readonly Node[]): Promise<void> {
    const { signal, lease } = this.#options;
    const trees = new Map<Digest, readonly Directory[]>();
    const blobs = new Set<Digest>();
    for (const node of nodes) await this.#treeOf(node, trees, blobs);
    await this.#bringBlobs(blobs);
    for (const tree of trees.values()) {
      await using putter = this.#to.directories.openPut({ signal, lease });
      for (const directory of tree) await putter.put(directory);
      await putter.close();
    }
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
    const { signal, lease } = this.#options;
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
      const isHere = known.get(chunk) ?? (await blobs.has(chunk, { signal, lease }));
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
