/*
Trees sent to one of Firn's servers: first it is asked which of the roots it lacks, then what of their parts, then contents go in one stream, in which chunks
that it has are only named, and directories in one more for each tree.
*/

import {
  bytesOfDigest,
  type CallOptions,
  type CastoreServices,
  type ChunkMeta,
  type Digest,
  type Directory,
  leavesFirst,
  type Node,
} from "@firn/castore";
import { lackingAt, notInSource, type Progress } from "./bulk-copy.ts";
import { CONTENT_METHODS, PUT_BLOBS_REQUEST } from "./castore-methods.ts";
import type { PutBlobsRequest } from "./gen/firn/castore/v1/castore_pb.ts";
import type { Peer } from "./peer.ts";
import { RemoteDirectories } from "./remote-directories.ts";
import { callClientStream } from "./rpc.ts";

/** Longest piece of contents in a message, in bytes. */
const PIECE_BYTES = 256 * 1024;

/** Makes the peer, which must be one of Firn's, have these nodes with all below them, held by the lease. Throws `missing`, or protocol's errors. */
export async function pushNodes(
  nodes: readonly Node[],
  from: CastoreServices,
  peer: Peer,
  options: CallOptions,
  progress: Progress,
): Promise<void> {
  await new NodePush(from, peer, options, progress).run(nodes);
}

class NodePush {
  readonly #from: CastoreServices;
  readonly #peer: Peer;
  readonly #options: CallOptions;
  readonly #progress: Progress;

  constructor(from: CastoreServices, peer: Peer, options: CallOptions, progress: Progress) {
    this.#from = from;
    this.#peer = peer;
    this.#options = options;
    this.#progress = progress;
  }

  async run(nodes: readonly Node[]): Promise<void> {
    const roots = { file: new Set<Digest>(), directory: new Set<Digest>() };
    for (const node of nodes) if (node.kind !== "symlink") roots[node.kind].add(node.digest);
    const { blobs, directories: tops } = await lackingAt(this.#peer, roots.file, roots.directory, this.#options);
    const trees: Directory[][] = [];
    for (const root of tops) trees.push(await this.#treeOf(root, blobs));
    const directories = new Set(trees.flat().map(({ digest }) => digest));
    const lacking = await lackingAt(this.#peer, blobs, directories, this.#options);
    await this.#sendBlobs(lacking.blobs);
    const remote = new RemoteDirectories(this.#peer);
    for (const tree of trees) {
      // Those that an earlier tree brought are there by now.
      const fresh = tree.filter(({ digest }) => lacking.directories.delete(digest));
      if (fresh.length === 0) continue;
      await remote.putKnown(fresh, this.#options);
      for (const { encoded } of fresh) this.#progress.bytes += encoded.length;
    }
  }

  /** The directories of a tree, children first; its files' contents are added to `blobs`. */
  async #treeOf(root: Digest, blobs: Set<Digest>): Promise<Directory[]> {
    const { signal } = this.#options;
    const { directories } = this.#from;
    const tree = await Array.fromAsync(leavesFirst(root, directories.getRecursive(root, { signal })));
    if (tree.length === 0) throw notInSource("directory", root);
    for (const { entries } of tree)
      for (const { node: child } of entries) if (child.kind === "file") blobs.add(child.digest);
    return tree;
  }

  async #sendBlobs(digests: ReadonlySet<Digest>): Promise<void> {
    if (digests.size === 0) return;
    const { signal } = this.#options;
    const lists = new Map<Digest, readonly ChunkMeta[]>();
    for (const digest of digests) {
      const chunks = await this.#from.blobs.chunks(digest, { signal });
      if (chunks === undefined) throw notInSource("blob", digest);
      lists.set(digest, chunks.length > 1 ? chunks : []);
    }
    const chunks = new Set([...lists.values()].flatMap((list) => list.map(({ digest }) => digest)));
    const lacking = await lackingAt(this.#peer, chunks, new Set(), this.#options);
    const parts = this.#partsOf(lists, lacking.blobs);
    await callClientStream(this.#peer.channel, CONTENT_METHODS.putBlobs, parts, this.#peer.rpcOptions(this.#options));
  }

  async *#partsOf(lists: ReadonlyMap<Digest, readonly ChunkMeta[]>, lacking: ReadonlySet<Digest>) {
    for (const [digest, list] of lists) {
      if (list.length === 0) yield* this.#contentsOf(digest);
      for (const chunk of list) {
        if (lacking.has(chunk.digest)) yield* this.#contentsOf(chunk.digest);
        else {
          yield PUT_BLOBS_REQUEST.make({ part: { case: "known", value: bytesOfDigest(chunk.digest) } });
          this.#progress.bytesSpared += chunk.size;
        }
      }
      yield PUT_BLOBS_REQUEST.make({ part: { case: "end", value: bytesOfDigest(digest) } });
    }
  }

  async *#contentsOf(digest: Digest): AsyncGenerator<PutBlobsRequest, void> {
    await using reader = await this.#from.blobs.openRead(digest, { signal: this.#options.signal });
    if (reader === undefined) throw notInSource("blob", digest);
    for await (const bytes of reader.stream()) {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        const value = bytes.subarray(at, at + PIECE_BYTES);
        yield PUT_BLOBS_REQUEST.make({ part: { case: "data", value } });
        this.#progress.bytes += value.length;
      }
      this.#progress.tell();
    }
  }
}
