/*
Paths sent to one of Firn's servers: what it lacks is found out in three questions, then contents go in one stream, in which chunks that it has are only named. What goes is
checked here: the server gets contents by digest, and a tree with the same root has the same NAR.
*/

import { throwIfAborted } from "@firn/base";
import { bytesOfDigest, type ChunkMeta, type Digest, type Directory, leavesFirst, type Node } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { checkNar, closureOf, type CopyOptions, type CopyResult, type PathInfo, type StoreServices } from "@firn/store";
import { lackingAt, notInSource, Progress } from "./bulk-copy.ts";
import { CONTENT_METHODS, PUT_BLOBS_REQUEST } from "./castore-methods.ts";
import type { PutBlobsRequest } from "./gen/firn/castore/v1/castore_pb.ts";
import type { Peer } from "./peer.ts";
import { RemoteDirectories } from "./remote-directories.ts";
import { RemotePathInfos } from "./remote-path-infos.ts";
import { callClientStream, callUnary } from "./rpc.ts";
import { storeErrorOf } from "./status.ts";
import { FIRN_STORE_METHODS, MISSING_PATHS_REQUEST } from "./store-methods.ts";

/** Longest piece of contents in a message, in bytes. */
const PIECE_BYTES = 256 * 1024;

/** Makes the peer, which must be one of Firn's, have the closure of `roots`. Throws `missing` when the store lacks a part. */
export async function pushPaths(
  roots: readonly StorePath[],
  from: StoreServices,
  peer: Peer,
  options: CopyOptions,
): Promise<CopyResult> {
  try {
    return await new Push(from, peer, options).run(roots);
  } catch (thrown) {
    throwIfAborted(options.signal);
    throw storeErrorOf(thrown);
  }
}

class Push {
  readonly #from: StoreServices;
  readonly #peer: Peer;
  readonly #options: CopyOptions;
  readonly #progress: Progress;

  constructor(from: StoreServices, peer: Peer, options: CopyOptions) {
    this.#from = from;
    this.#peer = peer;
    this.#options = options;
    this.#progress = new Progress(options);
  }

  async run(roots: readonly StorePath[]): Promise<CopyResult> {
    const { signal, lease, registeredAt } = this.#options;
    const progress = this.#progress;
    const infos = await this.#lackingPaths(await closureOf(roots, this.#from.pathInfos, { signal }));
    progress.pathsTotal = infos.length;
    progress.tell();
    const trees: Directory[][] = [];
    const blobs = new Set<Digest>();
    for (const info of infos) {
      await checkNar(info, this.#from, { signal });
      trees.push(await this.#treeOf(info.node, blobs));
    }
    const directories = new Set(trees.flat().map(({ digest }) => digest));
    const lacking = await lackingAt(this.#peer, blobs, directories, this.#options);
    await this.#sendBlobs(lacking.blobs);
    const remote = new RemoteDirectories(this.#peer);
    for (const tree of trees) {
      // Those that an earlier tree brought are there by now.
      const fresh = tree.filter(({ digest }) => lacking.directories.delete(digest));
      if (fresh.length === 0) continue;
      await remote.putKnown(fresh, { signal, lease });
      for (const { encoded } of fresh) progress.bytes += encoded.length;
    }
    const registered = infos.map((info) => ({ ...info, registeredAt }));
    if (infos.length > 0) await new RemotePathInfos(this.#peer).put(registered, { signal, lease });
    progress.paths = infos.length;
    progress.tell();
    return progress.result(infos.map(({ path }) => path));
  }

  async #lackingPaths(infos: readonly PathInfo[]): Promise<readonly PathInfo[]> {
    const request = MISSING_PATHS_REQUEST.make({ paths: infos.map(({ path }) => path.toString()) });
    const given = this.#peer.rpcOptions(this.#options);
    const { paths } = await callUnary(this.#peer.channel, FIRN_STORE_METHODS.missingPaths, request, given);
    const missing = new Set(paths);
    return infos.filter(({ path }) => missing.has(path.toString()));
  }

  /** The directories of a path, children first; its files' contents are added to `blobs`. */
  async #treeOf(node: Node, blobs: Set<Digest>): Promise<Directory[]> {
    const { signal } = this.#options;
    if (node.kind === "file") blobs.add(node.digest);
    if (node.kind !== "directory") return [];
    const { directories } = this.#from;
    const tree = await Array.fromAsync(leavesFirst(node.digest, directories.getRecursive(node.digest, { signal })));
    if (tree.length === 0) throw notInSource("directory", node.digest);
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
