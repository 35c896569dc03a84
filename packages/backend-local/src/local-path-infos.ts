/*
Path infos of the local store, by hash part, and beside them who refers to whom, so that referrers are a range and not a scan. A put
reads, merges and writes inside one write transaction, so two processes registering at once cannot lose each other's work.
*/

import { FirnError, throwIfAborted } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import { HASH_PART_CHARS, type StorePath } from "@firn/nix-compat";
import {
  decodePathInfo,
  encodePathInfo,
  mergeAll,
  type PathInfo,
  type PathInfoService,
  type PathInfoServiceSupports,
  StoreError,
} from "@firn/store";
import type { Commits } from "./commits.ts";
import { storageProblem } from "./error.ts";
import type { LocalLeases } from "./local-leases.ts";
import { pathEpochAt, stampPath } from "./path-epochs.ts";
import { currentEpoch, restamp } from "./record-head.ts";
import { digestKey, type StoreIndex, type Table, textKey } from "./store-index.ts";

const LIST_BATCH = 256;
const PRESENT = Buffer.from([1]);

export class LocalPathInfos implements PathInfoService {
  readonly supports: PathInfoServiceSupports = { write: true, list: true };
  readonly #index: StoreIndex;
  readonly #commits: Commits;
  readonly #leases: LocalLeases;

  constructor(index: StoreIndex, commits: Commits, leases: LocalLeases) {
    this.#index = index;
    this.#commits = commits;
    this.#leases = leases;
  }

  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    this.#leases.begin(options);
    const index = this.#index;
    const info = readPathInfo(index, hashPart);
    if (info === undefined || options?.lease === undefined) return info;
    const key = textKey(hashPart);
    if (pathEpochAt(index, key) === currentEpoch(index)) return info;
    // It may have been collected since it was read, and must not be any more once it was promised.
    const isHeld = await this.#commits.run(() => {
      if (!index.pathInfos.doesExist(key)) return false;
      stampPath(index, key, currentEpoch(index));
      return true;
    });
    return isHeld ? info : undefined;
  }

  async put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    this.#leases.begin(options);
    const index = this.#index;
    try {
      await this.#commits.run(() => {
        const fresh = mergeAll(infos, (hashPart) => readPathInfo(index, hashPart));
        for (const info of fresh) checkContents(index, info); // nothing is written before all are known to be good
        for (const info of fresh) writePathInfo(index, info);
        const epoch = currentEpoch(index);
        for (const info of infos) holdPath(index, info, epoch);
      });
    } catch (thrown) {
      if (thrown instanceof FirnError) throw thrown;
      throw new StoreError("storage", `registering paths failed: ${storageProblem(thrown)}`, { cause: thrown });
    }
  }

  /** In steps, so that no read transaction is held open while the consumer thinks. */
  async *list(options?: CallOptions): AsyncGenerator<PathInfo, void> {
    this.#leases.begin(options);
    let after: string | undefined;
    for (;;) {
      throwIfAborted(options?.signal);
      // A hash part is followed by no other with it as prefix, so the next key starts behind it plus one byte.
      const start = after === undefined ? undefined : textKey(`${after}\0`);
      const batch: PathInfo[] = [];
      for (const { value } of this.#index.pathInfos.getRange({ start, limit: LIST_BATCH }))
        batch.push(decodePathInfo(value));
      if (batch.length === 0) return;
      after = batch[batch.length - 1].path.hashPart;
      yield* batch;
    }
  }

  async referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    this.#leases.begin(options);
    const found: StorePath[] = [];
    const range = { start: textKey(path.hashPart), end: textKey(`${path.hashPart}\xff`) };
    for (const key of this.#index.referrers.getKeys(range)) {
      const hashPart = Buffer.from(key).toString("latin1", HASH_PART_CHARS);
      const info = hashPart === path.hashPart ? undefined : readPathInfo(this.#index, hashPart);
      if (info !== undefined) found.push(info.path);
    }
    return found;
  }
}

/** The path info, checked, or undefined. */
export function readPathInfo(index: StoreIndex, hashPart: string): PathInfo | undefined {
  const bytes = index.pathInfos.getBinary(textKey(hashPart));
  return bytes === undefined ? undefined : decodePathInfo(bytes);
}

function checkContents(index: StoreIndex, { path, node }: PathInfo): void {
  if (node.kind === "symlink") return;
  const key = digestKey(node.digest);
  if (tablesOf(index, node.kind).some((table) => table.doesExist(key))) return;
  throw new StoreError("missing", `${path} cannot be registered: its ${node.kind} ${node.digest} is not stored`, {
    context: { path: path.toString(), digest: node.digest },
  });
}

/** A chunk is readable as a blob. */
function tablesOf(index: StoreIndex, kind: "directory" | "file"): readonly Table[] {
  return kind === "directory" ? [index.directories] : [index.blobs, index.chunks];
}

/** What a put relies on gets the epoch of the put: the path, its root, what it refers to. */
function holdPath(index: StoreIndex, { path, node, references }: PathInfo, epoch: number): void {
  stampPath(index, textKey(path.hashPart), epoch);
  for (const { hashPart } of references) stampPath(index, textKey(hashPart), epoch);
  if (node.kind === "symlink") return;
  for (const table of tablesOf(index, node.kind)) if (restamp(table, digestKey(node.digest), epoch)) return;
}

function writePathInfo(index: StoreIndex, info: PathInfo): void {
  index.pathInfos.putSync(textKey(info.path.hashPart), Buffer.from(encodePathInfo(info)));
  for (const reference of info.references)
    index.referrers.putSync(textKey(reference.hashPart + info.path.hashPart), PRESENT);
}
