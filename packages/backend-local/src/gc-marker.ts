/*
What must stay: three growing sets, of store paths, directories and blobs, and the walk from each member to what it needs. A set's numbers are
its queue, so marking is adding, and the walk goes on where it stopped. Chunks are no part of it; whatever blob is left when blobs were swept
names its chunks.

A directory that cannot be read is no reason to forget what it holds: the walk stops with `corrupt`, and nothing is deleted.
*/

import { CastoreError, digestFromBytes, scanChildren } from "@firn/castore";
import { hashBytes } from "@firn/hash";
import type { NodeRecord } from "@firn/store";
import { DigestTable } from "./digest-table.ts";
import { HEAD_BYTES } from "./record-head.ts";
import type { StoreIndex, Table } from "./store-index.ts";

/** What a collection reads of a path info. */
type LinkedPath = { readonly node: NodeRecord; readonly references: readonly string[] };

export class GcMarker {
  readonly paths: DigestTable;
  readonly directories: DigestTable;
  readonly blobs: DigestTable;
  readonly #index: StoreIndex;
  readonly #key = Buffer.alloc(32);
  readonly #digest = Buffer.alloc(32);
  #pathsWalked = 0;
  #directoriesWalked = 0;

  constructor(index: StoreIndex) {
    this.#index = index;
    this.paths = new DigestTable(sizeOf(index.pathInfos));
    this.directories = new DigestTable(sizeOf(index.directories));
    this.blobs = new DigestTable(sizeOf(index.blobs));
  }

  markPath(hashPart: Buffer): void {
    this.paths.add(hashPart);
  }

  markDirectory(digest: Uint8Array): void {
    this.directories.add(digest);
  }

  markBlob(digest: Uint8Array): void {
    this.blobs.add(digest);
  }

  /** Walks on until at most `steps` members were looked at; true when nothing is left to do. */
  walk(steps: number): boolean {
    for (let step = 0; step < steps; step++) {
      if (this.#pathsWalked < this.paths.size) this.#walkPath(this.#pathsWalked++);
      else if (this.#directoriesWalked < this.directories.size) this.#walkDirectory(this.#directoriesWalked++);
      else return true;
    }
    return false;
  }

  #walkPath(number: number): void {
    const record = this.#index.pathInfos.getBinaryFast(this.paths.copyKey(number, this.#key));
    if (record === undefined) return; // a root of something that was never there keeps nothing
    // The record's text is made by one function, in one way, and quotes inside of strings are escaped: no need to parse it.
    const text = record.toString("latin1", 0, record.length);
    const nodeAt = text.indexOf(NODE) + NODE.length;
    const kind = text[nodeAt];
    if (kind === "d" || kind === "f") {
      this.#digest.write(text.substr(nodeAt + 4, 64), "hex");
      (kind === "d" ? this.directories : this.blobs).add(this.#digest);
    }
    for (let at = text.indexOf(REFERENCES) + REFERENCES.length; text[at] === '"'; ) {
      this.paths.add(record, at + 1);
      at = text.indexOf('"', at + 1) + 1;
      if (text[at] === ",") at++;
    }
    // As Nix does unless told otherwise: what is there can be built again, and people ask how it was.
    const deriverAt = text.indexOf(DERIVER);
    if (deriverAt >= 0) this.#markIfThere(record, deriverAt + DERIVER.length);
  }

  #markIfThere(bytes: Buffer, at: number): void {
    const hashPart = Buffer.from(bytes.subarray(at, at + 32)); // the record's memory is used again by the next read
    if (this.#index.pathInfos.doesExist(hashPart)) this.paths.add(hashPart);
  }

  #walkDirectory(number: number): void {
    const key = this.directories.copyKey(number, this.#key);
    const record = this.#index.directories.getBinaryFast(key);
    if (record === undefined) throw damaged(key, "it is not in the index");
    const encoded = record.subarray(HEAD_BYTES, record.length);
    if (Buffer.compare(hashBytes("blake3", encoded), key) !== 0) throw damaged(key, "its bytes have another digest");
    scanChildren(encoded, 0, encoded.length, (kind, at) => {
      if (kind === "directory") this.directories.add(encoded, at);
      else this.blobs.add(encoded, at);
    });
  }
}

const NODE = '"node":["';
const DERIVER = '"deriver":"';
const REFERENCES = '"references":[';

/** How many records a table has. */
export function sizeOf(table: Table): number {
  return (table.getStats() as { readonly entryCount: number }).entryCount;
}

/** References and node of a path info's record, without the checks of whoever answers with it. */
export function linksOf(
  record: Buffer,
): LinkedPath & { readonly narSize: number; readonly registeredAt: number; readonly path: string } {
  return JSON.parse(record.toString("latin1", 0, record.length));
}

function damaged(key: Buffer, how: string): CastoreError {
  const digest = digestFromBytes(key);
  const what = `directory ${digest} is needed and damaged (${how}), so that it is not known what else is`;
  return new CastoreError(
    "corrupt",
    `${what}: run firn store verify, with --repair-from if there is a copy elsewhere`,
    {
      context: { digest },
    },
  );
}
