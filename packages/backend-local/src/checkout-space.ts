/*
How much space materialised files take, and what goes when that is too much: the least recently shown first, never what somebody shows now
(exposure-pins.ts) and never what a link that is a root leads to, since `./result` is read without asking anybody.

No table says when something was shown last. Showing sets the mtime to what it is, which moves the ctime. A file that trees link to takes no space
of its own: it goes when the last tree that links to it does.
*/

import { lstatSync, type Stats } from "node:fs";
import { join } from "node:path";
import { bytesOf, throwIfAborted } from "@firn/base";
import { type Digest, digestOf, type Node, SingleFlight } from "@firn/castore";
import type { Commits } from "./commits.ts";
import { storageError } from "./error.ts";
import { ExposurePins } from "./exposure-pins.ts";
import { bytePath } from "./host-path.ts";
import { readDirectory } from "./local-directories.ts";
import { readPathInfo } from "./local-path-infos.ts";
import type { LocalRoots } from "./local-roots.ts";
import { moveAside, namesIn, removeTree, type Staging } from "./staging.ts";
import { digestKey, type StoreIndex, textKey } from "./store-index.ts";

/** When not said: 10 GiB. */
export const CHECKOUT_BYTES_MAX = 10 * 1024 ** 3;
/** A trim goes on until this much of the limit is left free, and is not begun again before that much was made. */
const SLACK = 1 / 16;
const ROW = 256;
const BLOCK_BYTES = 512;
const BYTES_KEY = textKey("files-bytes");
const FILE_NAME = /^[0-9a-f]{64}-[rx]$/;
const TREE_NAME = /^[0-9a-f]{64}$/;
const OTHER_NAME = /^(?:link-)?[0-9a-f]{64}$/;

export type CheckoutSpaceParts = {
  readonly index: StoreIndex;
  readonly commits: Commits;
  readonly staging: Staging;
  readonly roots: LocalRoots;
};

type Candidate = { readonly name: string; readonly shownAtMs: number };

/** What a node's file, tree or link is called. */
export function checkoutName(node: Node): string {
  if (node.kind === "directory") return node.digest;
  return node.kind === "symlink" ? `link-${digestOf(bytesOf(node.target))}` : fileName(node.digest, node.executable);
}

export function fileName(digest: Digest, executable: boolean): string {
  return `${digest}-${executable ? "x" : "r"}`;
}

export class CheckoutSpace {
  readonly #parts: CheckoutSpaceParts;
  readonly #bytesMax: number;
  readonly #storeDir: string;
  readonly pins: ExposurePins;
  readonly #trims = new SingleFlight<"", number>();
  /** What was left by this process's last trim. */
  #bytesLeft = 0;

  constructor(storeDir: string, parts: CheckoutSpaceParts, bytesMax = CHECKOUT_BYTES_MAX) {
    this.#storeDir = storeDir;
    this.#parts = parts;
    this.#bytesMax = bytesMax;
    this.pins = new ExposurePins(parts.index, parts.staging);
  }

  /** Where a file, tree or link of this name is. */
  placeOf(name: string): string {
    return FILE_NAME.test(name)
      ? join(this.#storeDir, "files", name.slice(0, 2), name)
      : join(this.#storeDir, "trees", name);
  }

  /** Says that files of so many bytes were made, and trims when that was too much. */
  async grew(bytes: number): Promise<void> {
    const { index, commits } = this.#parts;
    const total = await commits.run(() => {
      const sum = this.#knownBytes() + bytes;
      this.#remember(sum);
      return sum;
    });
    index.env.resetReadTxn();
    if (total > this.#bytesMax && total > this.#bytesLeft + this.#bytesMax * SLACK) await this.trim();
  }

  /** Counts what is there and removes what is too much. Yields how many bytes are left. */
  trim(signal?: AbortSignal): Promise<number> {
    return this.#trims.run("", (inner) => this.#trim(inner), signal);
  }

  /** Removes files and trees that show what is not in the store any more. */
  async removeOrphans(signal?: AbortSignal): Promise<void> {
    const { index } = this.#parts;
    let row: string[] = [];
    const isKnown = (name: string) => {
      const key = digestKey(name.slice(0, 64));
      if (TREE_NAME.test(name)) return index.directories.doesExist(key);
      return !FILE_NAME.test(name) || index.blobs.doesExist(key) || index.chunks.doesExist(key);
    };
    const end = () => {
      this.#take(row.filter((name) => !isKnown(name)));
      row = [];
    };
    // Trees first: a file goes only when no tree links to it.
    for (const kind of ["trees", "files"] as const) {
      for await (const { name } of this.#each(kind, signal)) if (row.push(name) >= ROW) end();
      end();
    }
  }

  async #trim(signal: AbortSignal): Promise<number> {
    let bytes = 0;
    const candidates: Candidate[] = [];
    for await (const { name, stats } of this.#each("files", signal)) {
      bytes += stats.blocks * BLOCK_BYTES;
      if (stats.nlink === 1) candidates.push({ name, shownAtMs: stats.ctimeMs });
    }
    if (bytes > this.#bytesMax) {
      for await (const { name, stats } of this.#each("trees", signal))
        candidates.push({ name, shownAtMs: stats.ctimeMs });
      candidates.sort((left, right) => left.shownAtMs - right.shownAtMs);
      for (const { name } of candidates) {
        if (bytes <= this.#bytesMax * (1 - SLACK)) break;
        bytes -= await this.#evict(name, signal);
      }
    }
    this.#bytesLeft = bytes;
    await this.#parts.commits.run(() => this.#remember(bytes));
    return bytes;
  }

  /** Removes one, and the files that only it linked to. Yields how many bytes of files went. */
  async #evict(name: string, signal: AbortSignal | undefined): Promise<number> {
    // What a directory holds is asked before its tree goes, and so before a collection may have taken it.
    const files = TREE_NAME.test(name) ? this.#filesOf(name as Digest) : [];
    let { bytes, count } = this.#take([name]);
    if (count === 0) return 0;
    let row: string[] = [];
    for (const file of files) {
      if (row.push(file) < ROW) continue;
      bytes += this.#take(row).bytes;
      row = [];
      await pause(signal);
    }
    bytes += this.#take(row).bytes;
    await pause(signal);
    return bytes;
  }

  /** Names of the files a tree links to; none of a directory that is not in the store any more. */
  #filesOf(root: Digest): Set<string> {
    const files = new Set<string>();
    const seen = new Set<Digest>([root]);
    for (const digest of seen) {
      for (const { node } of this.#directory(digest)) {
        if (node.kind === "directory") seen.add(node.digest);
        else if (node.kind === "file") files.add(fileName(node.digest, node.executable));
      }
    }
    return files;
  }

  #directory(digest: Digest): readonly { readonly node: Node }[] {
    try {
      return readDirectory(this.#parts.index, digest)?.entries ?? [];
    } catch {
      return []; // a damaged one is verification's affair
    }
  }

  /** Removes those that may go: shown by nobody, held by no link, and of files those that no tree links to. Yields how many went, and their bytes. */
  #take(names: readonly string[]): { readonly bytes: number; readonly count: number } {
    const { index, staging } = this.#parts;
    const taken: string[] = [];
    let bytes = 0;
    if (names.length === 0) return { bytes, count: 0 };
    // Renamed only: to remove a tree takes longer than a transaction should.
    const takeAll = () => {
      const pinned = this.pins.all();
      for (const name of this.#namesOfRoots()) pinned.add(name);
      for (const name of names) {
        const path = this.placeOf(name);
        const stats = lstatSync(path, { throwIfNoEntry: false });
        if (stats === undefined || pinned.has(name) || (stats.isFile() && stats.nlink > 1)) continue;
        const aside = staging.newPath();
        if (!moveAside(path, aside)) continue;
        if (stats.isFile()) bytes += stats.blocks * BLOCK_BYTES;
        taken.push(aside);
      }
    };
    try {
      index.write(takeAll);
    } catch (thrown) {
      throw storageError("removing materialised files", thrown);
    } finally {
      for (const path of taken) removeTree(bytePath(path));
    }
    return { bytes, count: taken.length };
  }

  *#namesOfRoots(): Generator<string, void> {
    for (const { link, path } of this.#parts.roots.listRoots()) {
      const info = link === undefined ? undefined : readPathInfo(this.#parts.index, path.hashPart);
      if (info !== undefined) yield checkoutName(info.node);
    }
  }

  async *#each(
    kind: "files" | "trees",
    signal: AbortSignal | undefined,
  ): AsyncGenerator<{ readonly name: string; readonly stats: Stats }, void> {
    const root = join(this.#storeDir, kind);
    const pattern = kind === "files" ? FILE_NAME : OTHER_NAME;
    let done = 0;
    for (const dir of kind === "files" ? namesIn(root).map((fan) => join(root, fan)) : [root]) {
      for (const name of namesIn(dir)) {
        const stats = pattern.test(name) ? lstatSync(join(dir, name), { throwIfNoEntry: false }) : undefined;
        if (stats !== undefined) yield { name, stats };
        if (++done % ROW === 0) await pause(signal);
      }
    }
  }

  #knownBytes(): number {
    const bytes = this.#parts.index.meta.getBinary(BYTES_KEY);
    return bytes === undefined ? 0 : Number(Buffer.from(bytes).readBigUInt64LE());
  }

  #remember(bytes: number): void {
    const record = Buffer.alloc(8);
    record.writeBigUInt64LE(BigInt(Math.max(0, bytes)));
    this.#parts.index.meta.putSync(BYTES_KEY, record);
  }
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  await new Promise(setImmediate);
  throwIfAborted(signal);
}
