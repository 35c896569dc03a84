/*
A peer's directories. Each one that comes is hashed, and a recursive get is checked to be the whole tree that was asked for.
*/

import { throwIfAborted } from "@firn/base";
import {
  bytesOfDigest,
  type CallOptions,
  CastoreError,
  checkRecursive,
  type Digest,
  digestFromBytes,
  type Directory,
  type DirectoryPutter,
  type DirectoryService,
  type DirectoryServiceSupports,
  GraphPutter,
  leavesFirst,
} from "@firn/castore";
import { CASTORE_METHODS, CONTENT_METHODS, GET_DIRECTORY_REQUEST, MISSING_REQUEST } from "./castore-methods.ts";
import { isAbsence } from "./castore-handlers.ts";
import type { Peer } from "./peer.ts";
import { callClientStream, callServerStream, callUnary } from "./rpc.ts";
import { castoreErrorOf } from "./status.ts";

export class RemoteDirectories implements DirectoryService {
  readonly supports: DirectoryServiceSupports = { write: true, everyDirectory: true };
  readonly #peer: Peer;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    throwIfAborted(options?.signal);
    try {
      const { isFirn } = await this.#peer.kind();
      if (!isFirn) return (await this.get(digest, options)) !== undefined;
      const request = MISSING_REQUEST.make({ directories: bytesOfDigest(digest) });
      const answer = await callUnary(
        this.#peer.channel,
        CONTENT_METHODS.missing,
        request,
        this.#peer.rpcOptions(options),
      );
      return answer.directories.length === 0;
    } catch (thrown) {
      throw castoreErrorOf(thrown);
    }
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    throwIfAborted(options?.signal);
    try {
      for await (const directory of this.#stream(digest, false, options)) {
        if (directory.digest === digest) return directory;
        throw new CastoreError(
          "corrupt",
          `${this.#peer.channel.label} sent directory ${directory.digest} for ${digest}`,
          {
            context: { digest },
          },
        );
      }
      return undefined;
    } catch (thrown) {
      if (isAbsence(thrown)) return undefined;
      throw castoreErrorOf(thrown);
    }
  }

  async put(directory: Directory, options?: CallOptions): Promise<Digest> {
    await using putter = this.openPut(options);
    await putter.put(directory);
    return await putter.close();
  }

  async *getRecursive(root: Digest, options?: CallOptions): AsyncGenerator<Directory, void> {
    throwIfAborted(options?.signal);
    try {
      for await (const directory of checkRecursive(root, this.#stream(root, true, options))) {
        throwIfAborted(options?.signal);
        yield directory;
      }
    } catch (thrown) {
      if (!isAbsence(thrown)) throw castoreErrorOf(thrown);
    }
  }

  openPut(options?: CallOptions): DirectoryPutter {
    throwIfAborted(options?.signal);
    /** Children that the peer had before. */
    const stored = new Set<Digest>();
    return new GraphPutter({
      stored: async (digest) => {
        const directory = await this.get(digest, options);
        if (directory !== undefined) stored.add(digest);
        return directory;
      },
      keep: (directories) => this.#send(directories, stored, options),
      signal: options?.signal,
    });
  }

  /** As a put of these, children first and the root last, whose other children the peer, one of Firn's, is known to have. */
  async putKnown(directories: readonly Directory[], options?: CallOptions): Promise<void> {
    await this.#send(directories, new Set(), options);
  }

  async #send(directories: Iterable<Directory>, stored: ReadonlySet<Digest>, options?: CallOptions): Promise<void> {
    try {
      const { dialect, isFirn } = await this.#peer.kind();
      const { putDirectories } = CASTORE_METHODS[dialect];
      const fresh = [...directories];
      const answer = await callClientStream(
        this.#peer.channel,
        putDirectories,
        isFirn ? fresh : this.#wholeTree(fresh, stored, options),
        this.#peer.rpcOptions(options),
      );
      const last = fresh.at(-1)?.digest;
      const root = digestFromBytes(answer);
      if (root !== last) throw new CastoreError("corrupt", `${this.#peer.channel.label} took tree ${last} for ${root}`);
    } catch (thrown) {
      throw castoreErrorOf(thrown);
    }
  }

  /** Others want all of a tree in one put, what they have included. */
  async *#wholeTree(fresh: readonly Directory[], stored: ReadonlySet<Digest>, options?: CallOptions) {
    for (const digest of stored) yield* leavesFirst(digest, this.getRecursive(digest, options));
    yield* fresh;
  }

  async *#stream(digest: Digest, recursive: boolean, options?: CallOptions): AsyncGenerator<Directory, void> {
    const { dialect } = await this.#peer.kind();
    const request = GET_DIRECTORY_REQUEST.make({ byWhat: { case: "digest", value: bytesOfDigest(digest) }, recursive });
    yield* callServerStream(
      this.#peer.channel,
      CASTORE_METHODS[dialect].getDirectories,
      request,
      this.#peer.rpcOptions(options),
    );
  }
}
