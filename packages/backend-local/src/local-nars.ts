/*
Hashes of NARs that were computed once: what a node's NAR is never changes. They are kept under the digest of the node, and can be made again.
*/

import { type CallOptions, type CastoreServices, digestOf, type Node } from "@firn/castore";
import { calculateNar, type NarCalculator, type NarDigest } from "@firn/store";
import type { Commits } from "./commits.ts";
import { storageError } from "./error.ts";
import { digestKey, type StoreIndex } from "./store-index.ts";

const SHA256_BYTES = 32;
const RECORD_BYTES = SHA256_BYTES + 8;

export class LocalNars implements NarCalculator {
  readonly #index: StoreIndex;
  readonly #commits: Commits;
  readonly #services: CastoreServices;

  constructor(index: StoreIndex, commits: Commits, services: CastoreServices) {
    this.#index = index;
    this.#commits = commits;
    this.#services = services;
  }

  async calculateNar(node: Node, options?: CallOptions): Promise<NarDigest> {
    const known = this.#index.nars.getBinary(narKey(node));
    if (known?.length === RECORD_BYTES) {
      const narSize = Number(new DataView(known.buffer, known.byteOffset).getBigUint64(SHA256_BYTES, true));
      return { narSha256: new Uint8Array(known.subarray(0, SHA256_BYTES)), narSize };
    }
    const nar = await calculateNar(node, this.#services, options);
    await this.remember(node, nar);
    return nar;
  }

  /** Keeps an answer that was found in another way. */
  async remember(node: Node, { narSha256, narSize }: NarDigest): Promise<void> {
    const record = Buffer.alloc(RECORD_BYTES);
    record.set(narSha256);
    record.writeBigUInt64LE(BigInt(narSize), SHA256_BYTES);
    try {
      await this.#commits.put(this.#index.nars, narKey(node), record);
    } catch (thrown) {
      throw storageError("keeping the hash of a NAR", thrown);
    }
  }
}

/** The key of a node in the table of NARs. */
export function narKey(node: Node): Buffer {
  const parts =
    node.kind === "symlink"
      ? ["l", node.target]
      : node.kind === "directory"
        ? ["d", node.digest, node.size]
        : ["f", node.digest, node.size, node.executable ? 1 : 0];
  return digestKey(digestOf(Buffer.from(JSON.stringify(parts))));
}
