/*
What each kind of record must be, as questions that are answered with what is wrong, or undefined. They read the bytes themselves, not what was
remembered of them, and they change nothing.
*/

import { lstatSync } from "node:fs";
import {
  type BlobService,
  computeOutboard,
  type Digest,
  digestFromBytes,
  digestOf,
  Directory,
  verifyChunkList,
} from "@firn/castore";
import { equalBytes, messageOf } from "@firn/base";
import { HASH_PART_CHARS } from "@firn/nix-compat";
import { decodePathInfo, type PathInfo } from "@firn/store";
import { type BlobRecord, decodeBlobRecord } from "./blob-record.ts";
import type { ChunkStore } from "./chunk-store.ts";
import { hashFile } from "./file-hash.ts";
import { currentEpoch, epochOf, HEAD_BYTES } from "./record-head.ts";
import { decodeNar, isUnchecked } from "./local-nars.ts";
import { isDamaged } from "./stat-cache.ts";
import type { VerifyParts } from "./verify.ts";
import { digestKey, type StoreIndex, type Table, textKey } from "./store-index.ts";

/** What is wrong with something, in words that follow its name. */
export type Problem = string | undefined;

export class VerifyChecks {
  readonly #index: StoreIndex;
  readonly #chunks: ChunkStore;
  readonly #blobs: BlobService;
  readonly #signal: AbortSignal | undefined;

  constructor({ index, chunks, blobs }: VerifyParts, signal: AbortSignal | undefined) {
    this.#index = index;
    this.#chunks = chunks;
    this.#blobs = blobs;
    this.#signal = signal;
  }

  /** A chunk's bytes are where its record says and have its digest. */
  async chunk(key: Buffer): Promise<Problem> {
    const digest = digestOfKey(key);
    if (digest === undefined) return "its key is no digest";
    const record = this.#record(this.#index.chunks, key);
    if (record === undefined) return undefined;
    return this.#epoch(record) ?? (await problemOf(() => this.#chunks.read(digest)));
  }

  /** A blob's contents have its digest. */
  async blob(key: Buffer): Promise<Problem> {
    const digest = digestOfKey(key);
    if (digest === undefined) return "its key is no digest";
    const record = this.#record(this.#index.blobs, key);
    if (record === undefined) return undefined;
    return (
      this.#epoch(record) ??
      (await problemOf(async () => await this.#contents(decodeBlobRecord(record, digest), digest)))
    );
  }

  /** A directory has its digest, and what it names is there with the size it says. */
  async directory(key: Buffer): Promise<Problem> {
    const digest = digestOfKey(key);
    if (digest === undefined) return "its key is no digest";
    const record = this.#record(this.#index.directories, key);
    if (record === undefined) return undefined;
    const problem = this.#epoch(record);
    if (problem !== undefined) return problem;
    return problemOf(async () => {
      const directory = Directory.decodeVerified(new Uint8Array(record.subarray(HEAD_BYTES)), digest);
      for (const { name, node } of directory.entries) {
        const lacks = this.#node(node);
        if (lacks !== undefined) throw new Error(`of its entry '${name}' the ${lacks}`);
      }
    });
  }

  /** A path info keeps the rules and everything it names is there. */
  async pathInfo(key: Buffer): Promise<Problem> {
    const record = this.#record(this.#index.pathInfos, key);
    if (record === undefined) return undefined;
    return problemOf(async () => {
      const info = decodePathInfo(record);
      if (info.path.hashPart !== key.toString("latin1"))
        throw new Error(`it is stored under another key than ${info.path}`);
      const lacks = this.#node(info.node);
      if (lacks !== undefined) throw new Error(`its ${lacks}`);
      for (const reference of info.references) {
        if (this.#find(reference.hashPart)?.path.equals(reference) !== true)
          throw new Error(`it refers to ${reference}, which is not registered`);
        if (!this.#index.referrers.doesExist(textKey(reference.hashPart + info.path.hashPart)))
          throw new Error(`the table of referrers lacks that it refers to ${reference}`);
      }
    });
  }

  /** An entry of the table of referrers is a reference of the path it names. */
  async referrer(key: Buffer): Promise<Problem> {
    const text = key.toString("latin1");
    return problemOf(async () => {
      const info = this.#find(text.slice(HASH_PART_CHARS));
      if (info === undefined) throw new Error("it names a path that is not registered");
      if (!info.references.some(({ hashPart }) => hashPart === text.slice(0, HASH_PART_CHARS)))
        throw new Error(`${info.path} has no such reference`);
    });
  }

  /** A named root holds a path that is there. */
  async root(key: Buffer): Promise<Problem> {
    const record = this.#record(this.#index.roots, key);
    if (record === undefined) return undefined;
    return problemOf(async () => {
      const { path } = JSON.parse(record.toString()) as { path: string };
      if (this.#find(path.slice(0, HASH_PART_CHARS)) === undefined)
        throw new Error(`it holds ${path}, which is not registered`);
    });
  }

  /** An outboard that is kept is that of a blob that is there. */
  async outboard(key: Buffer): Promise<Problem> {
    const digest = digestOfKey(key);
    if (digest === undefined) return "its key is no digest";
    const record = this.#record(this.#index.outboards, key);
    if (record === undefined) return undefined;
    return (
      this.#epoch(record) ??
      (await problemOf(async () => {
        const made = await computeOutboard(this.#blobs, digest, { signal: this.#signal });
        if (made === undefined) throw new Error("it is of contents that are not stored");
        if (!equalBytes(made, record.subarray(HEAD_BYTES))) throw new Error("its bytes were changed");
      }))
    );
  }

  /** What is remembered of a NAR was not changed. */
  async rememberedNar(key: Buffer): Promise<Problem> {
    const record = this.#record(this.#index.nars, key);
    if (record === undefined || isUnchecked(record) || decodeNar(key, record) !== undefined) return undefined;
    return "its bytes were changed";
  }

  /** What is remembered of a directory of the host was not changed. */
  async seen(key: Buffer): Promise<Problem> {
    const record = this.#record(this.#index.stats, key);
    return record === undefined || !isDamaged(record) ? undefined : "its bytes were changed";
  }

  /** A materialised file is what its name says. */
  async file(path: string, name: string): Promise<Problem> {
    const digest = name.slice(0, 64);
    return problemOf(async () => {
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found === undefined) return;
      if (!found.isFile()) throw new Error("it is no file");
      if ((found.mode & 0o7777) !== (name.endsWith("-x") ? 0o555 : 0o444)) throw new Error("its mode was changed");
      if ((await hashFile(path, this.#signal)) !== digest) throw new Error("its contents were changed");
    });
  }

  #record(table: Table, key: Buffer): Buffer | undefined {
    const record = table.getBinary(key);
    return record === undefined ? undefined : Buffer.from(record);
  }

  #find(hashPart: string): PathInfo | undefined {
    const record = this.#index.pathInfos.getBinary(textKey(hashPart));
    return record === undefined ? undefined : decodePathInfo(record);
  }

  #epoch(record: Uint8Array): Problem {
    if (record.length < HEAD_BYTES) return "its record is too short";
    return epochOf(record) > currentEpoch(this.#index) ? "its epoch is one that has not begun" : undefined;
  }

  async #contents(record: BlobRecord, digest: Digest): Promise<void> {
    if (record.kind === "inline") {
      if (digestOf(record.bytes) !== digest) throw new Error("its bytes have another digest");
      return;
    }
    for (const chunk of record.chunks) {
      const size = this.#chunks.record(chunk.digest)?.size;
      if (size === undefined) throw new Error(`its chunk ${chunk.digest} is not stored`);
      if (size !== chunk.size) throw new Error(`its chunk ${chunk.digest} has ${size} bytes, not ${chunk.size}`);
    }
    // A chunk that is a blob of its own is read with the chunks.
    if (record.chunks.length === 1 && record.chunks[0].digest === digest) return;
    await verifyChunkList(digest, record.chunks, (chunk) => this.#chunks.read(chunk.digest), this.#signal);
  }

  #node(node: PathInfo["node"]): Problem {
    if (node.kind === "symlink") return undefined;
    const key = digestKey(node.digest);
    if (node.kind === "directory")
      return this.#index.directories.doesExist(key) ? undefined : `directory ${node.digest} is missing`;
    const size = this.#sizeOf(key, node.digest);
    if (size === undefined) return `contents ${node.digest} are missing`;
    return size === node.size ? undefined : `contents ${node.digest} have ${size} bytes, not ${node.size}`;
  }

  #sizeOf(key: Buffer, digest: Digest): number | undefined {
    const record = this.#index.blobs.getBinary(key);
    if (record === undefined) return this.#chunks.record(digest)?.size;
    const blob = decodeBlobRecord(record, digest);
    return blob.kind === "inline" ? blob.bytes.length : blob.size;
  }
}

function digestOfKey(key: Buffer): Digest | undefined {
  return key.length === 32 ? digestFromBytes(key) : undefined;
}

async function problemOf(check: () => Promise<unknown>): Promise<Problem> {
  try {
    await check();
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}
