/* Roots and garbage of a peer, which must be one of Firn's that keeps any. */

import type { StorePath } from "@firn/nix-compat";
import {
  CLOSURE_PATHS_MAX,
  type GarbageOptions,
  type GarbageResult,
  type Root,
  type RootService,
  StoreError,
  type StoreUpkeep,
} from "@firn/store";
import { ProtocolError } from "./error.ts";
import { bigOfNumber, numberOfMessage } from "./node-message.ts";
import { storePathOfText } from "./path-info-message.ts";
import type { Peer } from "./peer.ts";
import { callServerStream, callUnary } from "./rpc.ts";
import { storeErrorOf } from "./status.ts";
import {
  ADD_ROOT_REQUEST,
  COLLECT_GARBAGE_REQUEST,
  LIST_ROOTS_REQUEST,
  REMOVE_ROOT_REQUEST,
  UPKEEP_METHODS,
} from "./upkeep-methods.ts";

/** Most roots that are listed. */
const ROOTS_MAX = 1 << 20;

export class RemoteUpkeep implements StoreUpkeep {
  readonly roots: RootService;
  readonly #peer: Peer;

  constructor(peer: Peer) {
    this.#peer = peer;
    this.roots = new RemoteRoots(peer);
  }

  async collectGarbage(options: GarbageOptions = {}): Promise<GarbageResult> {
    const { dryRun, maxFreedBytes, registeredBefore, signal, onProgress } = options;
    const request = COLLECT_GARBAGE_REQUEST.make({
      dryRun,
      maxFreedBytes: bigOfNumber(maxFreedBytes),
      registeredBefore: bigOfNumber(registeredBefore),
    });
    const { channel } = this.#peer;
    const deadPaths: StorePath[] = [];
    try {
      for await (const { event } of callServerStream(channel, UPKEEP_METHODS.collectGarbage, request, { signal })) {
        if (event.case === "progress") {
          const { phase, done, total } = event.value;
          onProgress?.({ phase, done: countOf(done), ...(total === undefined ? {} : { total: countOf(total) }) });
        } else if (event.case === "deadPaths") {
          if (deadPaths.length + event.value.paths.length > CLOSURE_PATHS_MAX)
            throw new StoreError("limit", `${channel.label} deleted more than ${CLOSURE_PATHS_MAX} paths`);
          for (const path of event.value.paths) deadPaths.push(storePathOfText(path));
        } else if (event.case === "result") {
          const { livePaths, directories, blobs, chunks, freedBytes, markMs } = event.value;
          return {
            deadPaths,
            livePaths: countOf(livePaths),
            directories: countOf(directories),
            blobs: countOf(blobs),
            chunks: countOf(chunks),
            freedBytes: countOf(freedBytes),
            markMs,
          };
        }
      }
      throw new ProtocolError("internal", `${channel.label} ended a collection without its result`);
    } catch (thrown) {
      throw storeErrorOf(thrown);
    }
  }
}

class RemoteRoots implements RootService {
  readonly #peer: Peer;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  async listRoots(): Promise<readonly Root[]> {
    const roots: Root[] = [];
    const { channel } = this.#peer;
    return failing(async () => {
      const messages = callServerStream(channel, UPKEEP_METHODS.listRoots, LIST_ROOTS_REQUEST.make({}));
      for await (const { name, link, path } of messages) {
        if (roots.length === ROOTS_MAX)
          throw new StoreError("limit", `${channel.label} has more than ${ROOTS_MAX} roots`);
        roots.push({ name, link, path: storePathOfText(path) });
      }
      return roots;
    });
  }

  async addRoot(name: string, path: StorePath): Promise<void> {
    const request = ADD_ROOT_REQUEST.make({ name, path: path.toString() });
    await failing(() => callUnary(this.#peer.channel, UPKEEP_METHODS.addRoot, request));
  }

  removeRoot(name: string): Promise<void> {
    return this.#remove({ case: "name", value: name });
  }

  removeIndirectRoot(link: string): Promise<void> {
    return this.#remove({ case: "link", value: link });
  }

  async #remove(root: { readonly case: "name" | "link"; readonly value: string }): Promise<void> {
    await failing(() => callUnary(this.#peer.channel, UPKEEP_METHODS.removeRoot, REMOVE_ROOT_REQUEST.make({ root })));
  }
}

function countOf(value: bigint): number {
  return numberOfMessage(value, "a count");
}

async function failing<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    throw storeErrorOf(thrown);
  }
}
