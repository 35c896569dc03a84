/*
Hashes of NARs that were computed once: what a node's NAR is never changes. They are kept under the digest of the node, and can be made again. Store
paths are computed from them, so each ends with a CRC-32 over key and value; one of earlier days, without it, is not used.
*/

import { crc32 } from "node:zlib";
import { type CallOptions, type CastoreServices, digestOf, type Node } from "@firn/castore";
import { calculateNar, type NarCalculator, type NarDigest, type NodeRecord, recordOfNode } from "@firn/store";
import type { Commits } from "./commits.ts";
import { storageError } from "./error.ts";
import { digestKey, type StoreIndex } from "./store-index.ts";

const SHA256_BYTES = 32;
const CHECKED_BYTES = SHA256_BYTES + 8;
const RECORD_BYTES = CHECKED_BYTES + 4;

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
    const key = narKey(node);
    const known = this.#index.nars.getBinary(key);
    const kept = known === undefined ? undefined : decodeNar(key, known);
    if (kept !== undefined) return kept;
    const nar = await calculateNar(node, this.#services, options);
    await this.remember(node, nar);
    return nar;
  }

  /** Keeps an answer that was found in another way. */
  async remember(node: Node, { narSha256, narSize }: NarDigest): Promise<void> {
    const key = narKey(node);
    const record = Buffer.alloc(RECORD_BYTES);
    record.set(narSha256);
    record.writeBigUInt64LE(BigInt(narSize), SHA256_BYTES);
    record.writeUInt32LE(checkOf(key, record), CHECKED_BYTES);
    try {
      await this.#commits.put(this.#index.nars, key, record);
    } catch (thrown) {
      throw storageError("keeping the hash of a NAR", thrown);
    }
  }
}

/** What a record says; undefined when it was written without a checksum, or is damaged. */
export function decodeNar(key: Uint8Array, record: Uint8Array): NarDigest | undefined {
  if (record.length !== RECORD_BYTES) return undefined;
  const view = new DataView(record.buffer, record.byteOffset);
  if (view.getUint32(CHECKED_BYTES, true) !== checkOf(key, record)) return undefined;
  const narSize = Number(view.getBigUint64(SHA256_BYTES, true));
  return { narSha256: new Uint8Array(record.subarray(0, SHA256_BYTES)), narSize };
}

/** Whether it is a record of earlier days, without a checksum. */
export function isUnchecked(record: Uint8Array): boolean {
  return record.length === CHECKED_BYTES;
}

function checkOf(key: Uint8Array, record: Uint8Array): number {
  return crc32(record.subarray(0, CHECKED_BYTES), crc32(key));
}

/** The key of a node in the table of NARs. */
export function narKey(node: Node): Buffer {
  return narKeyOf(recordOfNode(node));
}

/** The same for a node as it is in a path info's record. */
export function narKeyOf(node: NodeRecord): Buffer {
  return digestKey(digestOf(Buffer.from(JSON.stringify(node))));
}
