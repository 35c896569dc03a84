/*
Getting space back: packs of which little is still recorded are emptied into the pack in use, and removed. Chunks move as they are stored; each
is verified on the way, so that damage is not carried along unnoticed. Readers that hold an old record find the file gone and look again.

It is called after a sweep, or whenever; it takes only packs that no living process appends to, and can be stopped between any two steps.
*/

import { rmSync, statSync } from "node:fs";
import { throwIfAborted } from "@firn/base";
import { type Digest, CastoreError } from "@firn/castore";
import { toHex } from "@firn/hash";
import { decodeChunk } from "./chunk-codec.ts";
import { type ChunkRecord, decodeChunkRecord, encodeChunkRecord } from "./chunk-record.ts";
import { storageError } from "./error.ts";
import { packKey, type PackWriter } from "./pack-writer.ts";
import { encodeEntryHead, ENTRY_HEAD_BYTES, PACK_HEADER, type Packs } from "./packs.ts";
import { identityOfSelf, mayBeAlive } from "./process-identity.ts";
import { epochOf, stamp } from "./record-head.ts";
import { digestKey, type StoreIndex, textKey } from "./store-index.ts";

export type CompactionParts = { readonly index: StoreIndex; readonly packs: Packs; readonly writer: PackWriter };

export type CompactionOptions = {
  /** Packs are emptied of which less than this share is recorded; 0.5 when not said. */
  readonly shareMin?: number;
  readonly signal?: AbortSignal;
};

/** How a pack is used: its length, and how much of that is recorded. */
export type PackUse = { readonly pack: number; readonly bytes: number; readonly recordedBytes: number };

type Move = { readonly digest: Digest; readonly before: ChunkRecord; readonly after: ChunkRecord };

const MOVES_PER_COMMIT = 256;

/** What is recorded of each pack. Walks over all chunk records. */
export function packUses({ index, packs }: Pick<CompactionParts, "index" | "packs">): PackUse[] {
  const recorded = new Map<number, number>();
  for (const { value } of index.chunks.getRange()) {
    const { pack, storedBytes } = decodeChunkRecord(value, "in a walk over the index");
    recorded.set(pack, (recorded.get(pack) ?? 0) + storedBytes + ENTRY_HEAD_BYTES);
  }
  return Array.from(index.packs.getKeys(), (key) => {
    const pack = Buffer.from(key).readUInt32BE();
    const bytes = statSync(packs.pathOf(pack), { throwIfNoEntry: false })?.size ?? 0;
    return { pack, bytes, recordedBytes: recorded.get(pack) ?? 0 };
  });
}

/** Empties and removes packs that are mostly dead; yields how many bytes that freed on disk, what was copied subtracted. */
export async function compactPacks(parts: CompactionParts, options: CompactionOptions = {}): Promise<number> {
  const { index, packs } = parts;
  const shareMin = options.shareMin ?? 0.5;
  let freed = 0;
  for (const { pack, bytes, recordedBytes } of packUses(parts)) {
    throwIfAborted(options.signal);
    if (recordedBytes >= (bytes - PACK_HEADER.length) * shareMin && recordedBytes > 0) continue;
    if (!claim(index, pack)) continue;
    try {
      const copied = await empty(parts, pack, options.signal);
      if (copied === undefined) continue;
      index.write(() => index.packs.removeSync(packKey(pack)));
      rmSync(packs.pathOf(pack), { force: true });
      packs.forget(pack);
      freed += bytes - copied;
    } catch (thrown) {
      if (options.signal?.aborted) throw options.signal.reason;
      throw storageError("compacting packs", thrown);
    } finally {
      unclaim(index, pack);
    }
  }
  return freed;
}

/** Moves all that is recorded of a pack; undefined when some of it is damaged, so that the pack has to stay for who can repair it. */
async function empty(parts: CompactionParts, pack: number, signal?: AbortSignal): Promise<number | undefined> {
  const { index, packs, writer } = parts;
  let copied = 0;
  let isWhole = true;
  for (let digests = chunksIn(index, pack); digests.length > 0; digests = isWhole ? chunksIn(index, pack) : []) {
    const moves: Move[] = [];
    const { mark } = writer;
    for (const digest of digests) {
      throwIfAborted(signal);
      const bytes = index.chunks.getBinary(digestKey(digest));
      if (bytes === undefined) continue;
      const before = decodeChunkRecord(bytes, digest);
      const stored = await packs.read(before);
      if (stored === undefined || !(await isGood(stored, before, digest))) {
        isWhole = false;
        continue;
      }
      const head = encodeEntryHead(digest, before.codec, before.storedBytes, before.size);
      for (let room = writer.room(); room !== undefined; room = writer.room()) await room;
      const after = { ...before, ...writer.append(head, stored) };
      copied += head.length + stored.length;
      moves.push({ digest, before, after });
    }
    await writer.flush(mark);
    index.write(() => {
      for (const move of moves) record(index, move);
    });
  }
  return isWhole ? copied : undefined;
}

/** A chunk that was swept or stored anew meanwhile keeps what it has. */
function record(index: StoreIndex, { digest, before, after }: Move): void {
  const key = digestKey(digest);
  const now = index.chunks.getBinary(key);
  if (now === undefined) return;
  const { pack, offset } = decodeChunkRecord(now, digest);
  if (pack !== before.pack || offset !== before.offset) return;
  const made = encodeChunkRecord(after);
  stamp(made, epochOf(now));
  index.chunks.putSync(key, made);
}

function chunksIn(index: StoreIndex, pack: number): Digest[] {
  const found: Digest[] = [];
  for (const { key, value } of index.chunks.getRange()) {
    const digest = toHex(key) as Digest;
    if (decodeChunkRecord(value, digest).pack === pack) found.push(digest);
    if (found.length === MOVES_PER_COMMIT) break;
  }
  return found;
}

async function isGood(stored: Uint8Array, record: ChunkRecord, digest: Digest): Promise<boolean> {
  try {
    await decodeChunk(stored, record, digest);
    return true;
  } catch (thrown) {
    if (thrown instanceof CastoreError && thrown.code === "corrupt") return false;
    throw thrown;
  }
}

/** As a writer claims a pack, so that nobody appends to it. */
function claim(index: StoreIndex, pack: number): boolean {
  return index.write(() => {
    const owner = index.packs.getBinary(packKey(pack));
    if (owner === undefined) return false;
    if (owner.length > 0 && mayBeAlive(Buffer.from(owner).toString("latin1"))) return false;
    index.packs.putSync(packKey(pack), textKey(`${identityOfSelf()}-compaction`));
    return true;
  });
}

function unclaim(index: StoreIndex, pack: number): void {
  index.write(() => {
    if (index.packs.doesExist(packKey(pack))) index.packs.putSync(packKey(pack), new Uint8Array(0));
  });
}
