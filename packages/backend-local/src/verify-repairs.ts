/*
Mending what a verification found. Tables and files that follow from others are made again; contents come from another store, and are hashed
before they are believed. What cannot be mended stays as it is: a damaged record says at least that something was there.
*/

import { rmSync } from "node:fs";
import { join } from "node:path";
import { throwIfAborted } from "@firn/base";
import { type Digest, type Directory, type Node, readBlob } from "@firn/castore";
import { HASH_PART_CHARS } from "@firn/nix-compat";
import { decodePathInfo, encodePathInfo, type PathInfo } from "@firn/store";
import { decodeBlobRecord, INLINE_BYTES_MAX, INLINE_HEAD } from "./blob-record.ts";
import { narKey } from "./local-nars.ts";
import { currentEpoch, HEAD_BYTES, stamp } from "./record-head.ts";
import { digestKey, textKey } from "./store-index.ts";
import type { FindingKind, VerifyParts, VerifySource } from "./verify.ts";

export class VerifyRepairs {
  readonly #parts: VerifyParts;
  readonly #source: VerifySource | undefined;
  readonly #signal: AbortSignal | undefined;
  /** Blobs by chunk, made when the first damaged chunk is met. */
  #blobsOfChunks: Map<Digest, Digest> | undefined;

  constructor(parts: VerifyParts, source: VerifySource | undefined, signal: AbortSignal | undefined) {
    this.#parts = parts;
    this.#source = source;
    this.#signal = signal;
  }

  /** Tries; true when something was changed, so that it is worth looking again. */
  async repair(kind: FindingKind, what: string): Promise<boolean> {
    try {
      switch (kind) {
        case "chunk":
          return await this.#blob(this.#blobWith(what as Digest));
        case "blob":
          return await this.#blob(what as Digest);
        case "directory":
          return await this.#directory(what as Digest);
        case "path":
          return await this.#pathInfo(what);
        case "nar":
          return await this.#tree(what);
        case "referrer":
          return this.#referrer(what);
        case "root":
          return await this.#root(what);
        case "outboard":
          return this.#forget("outboards", what);
        case "remembered-nar":
          return this.#forget("nars", what);
        case "seen":
          return this.#forget("stats", what);
        case "file":
          rmSync(join(this.#parts.storeDir, "files", what.slice(0, 2), what), { force: true });
          return true;
        default:
          return false;
      }
    } catch {
      throwIfAborted(this.#signal);
      return false; // the other store has not got it either, or cannot be reached
    }
  }

  /** Puts contents anew, over what is there. */
  async #blob(digest: Digest): Promise<boolean> {
    const reader = await this.#source?.blobs.openRead(digest, { signal: this.#signal });
    if (reader === undefined) return false;
    await using _ = reader;
    const { index, blobs } = this.#parts;
    const key = digestKey(digest);
    if (reader.size <= INLINE_BYTES_MAX) {
      const source = this.#source as VerifySource;
      const bytes = await readBlob(source.blobs, digest, INLINE_BYTES_MAX, { signal: this.#signal });
      this.#write(index.blobs, key, INLINE_HEAD, bytes);
      // The index has it now: a damaged chunk that was nothing else is not needed.
      if (this.#blobWith(digest) === digest) index.write(() => index.chunks.removeSync(key));
      return true;
    }
    await using writer = blobs.openWrite({ signal: this.#signal });
    for await (const chunk of reader.stream()) await writer.write(chunk);
    return (await writer.close()) === digest;
  }

  /** The blob a chunk is of: itself when no other names it. */
  #blobWith(chunk: Digest): Digest {
    if (this.#blobsOfChunks === undefined) {
      this.#blobsOfChunks = new Map();
      for (const { key, value } of this.#parts.index.blobs.getRange()) {
        try {
          const digest = Buffer.from(key).toString("hex") as Digest;
          const record = decodeBlobRecord(value, digest);
          if (record.kind === "chunked") for (const one of record.chunks) this.#blobsOfChunks.set(one.digest, digest);
        } catch {
          // A damaged record is a finding of its own.
        }
      }
    }
    return this.#blobsOfChunks.get(chunk) ?? chunk;
  }

  /** Fetches a directory and everything in it that is lacking here. */
  async #directory(digest: Digest): Promise<boolean> {
    const source = this.#source;
    if (source === undefined) return false;
    let changed = false;
    const fetched: Directory[] = [];
    for await (const directory of source.directories.getRecursive(digest, { signal: this.#signal }))
      fetched.push(directory);
    for (const directory of fetched.reverse()) {
      for (const { node } of directory.entries) if (await this.#file(node)) changed = true;
      const { directories } = this.#parts.index;
      const key = digestKey(directory.digest);
      if (directory.digest !== digest && directories.doesExist(key)) continue;
      this.#write(directories, key, new Uint8Array(HEAD_BYTES), directory.encoded);
      changed = true;
    }
    return changed;
  }

  async #file(node: Node): Promise<boolean> {
    if (node.kind !== "file") return false;
    const { index } = this.#parts;
    const key = digestKey(node.digest);
    return !index.blobs.doesExist(key) && !index.chunks.doesExist(key) && (await this.#blob(node.digest));
  }

  async #pathInfo(hashPart: string): Promise<boolean> {
    const { index } = this.#parts;
    const own = this.#own(hashPart);
    const info = own ?? (await this.#source?.pathInfos.get(hashPart, { signal: this.#signal }));
    if (info === undefined) return false;
    if (info.node.kind === "directory" && !index.directories.doesExist(digestKey(info.node.digest)))
      await this.#directory(info.node.digest);
    else await this.#file(info.node);
    for (const { hashPart: referred } of info.references)
      if (referred !== hashPart && !index.pathInfos.doesExist(textKey(referred))) await this.#pathInfo(referred);
    index.write(() => {
      if (own === undefined) index.pathInfos.putSync(textKey(hashPart), Buffer.from(encodePathInfo(info)));
      for (const reference of info.references)
        index.referrers.putSync(textKey(reference.hashPart + hashPart), Buffer.from([1]));
    });
    return true;
  }

  async #root(key: string): Promise<boolean> {
    const record = this.#parts.index.roots.getBinary(textKey(key));
    if (record === undefined) return false;
    const { path } = JSON.parse(Buffer.from(record).toString()) as { readonly path: string };
    return await this.#pathInfo(path.slice(0, HASH_PART_CHARS));
  }

  /** Contents that hash to what they are called, but are not what was registered: the registration is asked for elsewhere. */
  async #tree(hashPart: string): Promise<boolean> {
    const own = this.#own(hashPart);
    const { index } = this.#parts;
    // What is remembered is made again when it is asked for.
    if (own !== undefined && index.write(() => index.nars.removeSync(narKey(own.node)))) return true;
    if (own?.node.kind === "directory") return await this.#directory(own.node.digest);
    return own !== undefined && (await this.#file(own.node));
  }

  #own(hashPart: string): PathInfo | undefined {
    try {
      const record = this.#parts.index.pathInfos.getBinary(textKey(hashPart));
      const info = record === undefined ? undefined : decodePathInfo(record);
      return info?.path.hashPart === hashPart ? info : undefined;
    } catch {
      return undefined;
    }
  }

  /** What can be made again is, when it is asked for. */
  #forget(table: "outboards" | "nars" | "stats", what: string): boolean {
    const { index } = this.#parts;
    return index.write(() => index[table].removeSync(digestKey(what)));
  }

  /** The table of referrers says nothing that path infos do not. */
  #referrer(text: string): boolean {
    const { index } = this.#parts;
    const key = textKey(text);
    return index.write(() => {
      const info = this.#own(text.slice(HASH_PART_CHARS));
      const isRight = info?.references.some(({ hashPart }) => hashPart === text.slice(0, HASH_PART_CHARS)) === true;
      return isRight ? false : index.referrers.removeSync(key);
    });
  }

  #write(table: VerifyParts["index"]["blobs"], key: Buffer, head: Uint8Array, body: Uint8Array): void {
    const { index } = this.#parts;
    const record = Buffer.concat([head, body]);
    index.write(
      () => {
        stamp(record, currentEpoch(index));
        table.putSync(key, record);
      },
      record.length * 4 + (1 << 20),
    );
  }
}
