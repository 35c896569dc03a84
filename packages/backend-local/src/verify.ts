/*
A store looked through from end to end: every record, every chunk, every materialised file, what refers to what, and with `nar` whether the trees
render to the NARs that were registered. What is found is mended where that needs nothing from elsewhere (tables that can be made again,
files that can), and from another store where one is given.

The store may be in use. What looks wrong is looked at once more in a newer snapshot before it is reported, since it may have been deleted in
between; what was put meanwhile may not be looked at.
*/

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { equalBytes, throwIfAborted } from "@firn/base";
import type { CastoreServices } from "@firn/castore";
import { calculateNar, decodePathInfo, type PathInfo, type PathInfoService } from "@firn/store";
import { toHex } from "@firn/hash";
import type { ChunkStore } from "./chunk-store.ts";
import { decodeNar, narKey } from "./local-nars.ts";
import type { StoreIndex, Table } from "./store-index.ts";
import { type Problem, VerifyChecks } from "./verify-checks.ts";
import { VerifyRepairs } from "./verify-repairs.ts";

export type FindingKind =
  | "chunk"
  | "blob"
  | "directory"
  | "path"
  | "nar"
  | "referrer"
  | "root"
  | "file"
  | "index"
  | "outboard"
  | "remembered-nar"
  | "seen";

export type Finding = {
  readonly kind: FindingKind;
  /** Digest, hash part, name of a root or of a file. */
  readonly what: string;
  /** In words that follow `what`. */
  readonly problem: string;
  /** Whether it was mended and is right now. */
  readonly isRepaired: boolean;
};

export type VerifySource = CastoreServices & { readonly pathInfos: Pick<PathInfoService, "get"> };

export type VerifyOptions = {
  /** Renders every path and compares with the NAR hash that was registered. */
  readonly nar?: boolean;
  /** Mends what needs nothing from elsewhere. */
  readonly repair?: boolean;
  /** Where good copies may be; implies `repair`. */
  readonly repairFrom?: VerifySource;
  readonly signal?: AbortSignal;
  readonly onFinding?: (finding: Finding) => void;
  readonly onProgress?: (progress: {
    readonly kind: FindingKind;
    readonly done: number;
    readonly total?: number;
  }) => void;
};

export type VerifyReport = {
  readonly findings: readonly Finding[];
  readonly checked: Readonly<Record<Exclude<FindingKind, "index" | "nar">, number>>;
};

export type VerifyParts = CastoreServices & {
  readonly index: StoreIndex;
  readonly chunks: ChunkStore;
  readonly storeDir: string;
};

/** Records of one kind that are asked for at a time. */
const ROW = 256;
/** A damaged path may need several rounds: a directory that was fetched shows what it lacks. */
const REPAIR_ROUNDS_MAX = 16;

/** Looks through the store. Throws only the signal's reason, or `storage` when it cannot go on. */
export async function verifyStore(parts: VerifyParts, options: VerifyOptions = {}): Promise<VerifyReport> {
  return new Verification(parts, options).run();
}

class Verification {
  readonly #parts: VerifyParts;
  readonly #options: VerifyOptions;
  readonly #checks: VerifyChecks;
  readonly #repairs: VerifyRepairs | undefined;
  readonly #findings: Finding[] = [];
  readonly #checked = {
    chunk: 0,
    blob: 0,
    directory: 0,
    path: 0,
    referrer: 0,
    root: 0,
    file: 0,
    outboard: 0,
    "remembered-nar": 0,
    seen: 0,
  };

  constructor(parts: VerifyParts, options: VerifyOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#checks = new VerifyChecks(parts, options.signal);
    const mends = options.repair === true || options.repairFrom !== undefined;
    this.#repairs = mends ? new VerifyRepairs(parts, options.repairFrom, options.signal) : undefined;
  }

  async run(): Promise<VerifyReport> {
    const { index } = this.#parts;
    const checks = this.#checks;
    const hex = (key: Buffer) => toHex(key);
    const text = (key: Buffer) => key.toString("latin1");
    await this.#table("chunk", index.chunks, hex, (key) => checks.chunk(key));
    await this.#table("blob", index.blobs, hex, (key) => checks.blob(key));
    await this.#table("directory", index.directories, hex, (key) => checks.directory(key));
    await this.#table("path", index.pathInfos, text, (key) => checks.pathInfo(key));
    await this.#table("referrer", index.referrers, text, (key) => checks.referrer(key));
    await this.#table("root", index.roots, text, (key) => checks.root(key));
    await this.#table("outboard", index.outboards, hex, (key) => checks.outboard(key));
    await this.#table("remembered-nar", index.nars, hex, (key) => checks.rememberedNar(key));
    await this.#table("seen", index.stats, hex, (key) => checks.seen(key));
    if (this.#options.nar) await this.#nars();
    await this.#files();
    return { findings: this.#findings, checked: this.#checked };
  }

  async #table(
    kind: Exclude<FindingKind, "index" | "nar">,
    table: Table,
    nameOf: (key: Buffer) => string,
    check: (key: Buffer) => Promise<Problem>,
  ): Promise<void> {
    const total = (table.getStats() as { readonly entryCount: number }).entryCount;
    for await (const key of this.#keys(table)) {
      this.#checked[kind]++;
      if (this.#checked[kind] % ROW === 0) this.#options.onProgress?.({ kind, done: this.#checked[kind], total });
      const problem = await check(key);
      if (problem !== undefined) await this.#consider(kind, nameOf(key), () => check(key));
    }
    this.#options.onProgress?.({ kind, done: this.#checked[kind], total });
  }

  /** In steps, so that no snapshot is held while contents are read. */
  async *#keys(table: Table): AsyncGenerator<Buffer, void> {
    let after: Buffer | undefined;
    for (;;) {
      throwIfAborted(this.#options.signal);
      const start = after === undefined ? undefined : Buffer.concat([after, Buffer.alloc(1)]);
      const keys = Array.from(table.getKeys({ start, limit: ROW }), (key) => Buffer.from(key));
      if (keys.length === 0) return;
      yield* keys;
      after = keys[keys.length - 1];
      await new Promise(setImmediate);
    }
  }

  /** Looks again, mends if that is wanted, reports. */
  async #consider(kind: FindingKind, what: string, check: () => Promise<Problem>): Promise<void> {
    this.#parts.index.env.resetReadTxn();
    const problem = await check();
    if (problem === undefined) return;
    let isRepaired = false;
    for (let round = 0; round < REPAIR_ROUNDS_MAX && !isRepaired; round++) {
      throwIfAborted(this.#options.signal);
      if (!(await this.#repairs?.repair(kind, what))) break;
      this.#parts.index.env.resetReadTxn();
      isRepaired = (await check()) === undefined;
    }
    const finding: Finding = { kind, what, problem, isRepaired };
    this.#findings.push(finding);
    this.#options.onFinding?.(finding);
  }

  async #nars(): Promise<void> {
    const { index } = this.#parts;
    let done = 0;
    for await (const key of this.#keys(index.pathInfos)) {
      const check = () => this.#nar(key);
      this.#options.onProgress?.({ kind: "nar", done: ++done });
      if ((await check()) !== undefined) await this.#consider("nar", key.toString("latin1"), check);
    }
  }

  async #nar(key: Buffer): Promise<Problem> {
    const record = this.#parts.index.pathInfos.getBinary(key);
    if (record === undefined) return undefined;
    try {
      const info = decodePathInfo(record);
      const { narSha256, narSize } = await calculateNar(info.node, this.#parts, { signal: this.#options.signal });
      if (narSize === info.narSize && equalBytes(narSha256, info.narSha256)) return this.#rememberedNar(info);
      return `${info.path} renders to a NAR of ${narSize} bytes with SHA-256 ${toHex(narSha256)}, registered are ${info.narSize} bytes with ${toHex(info.narSha256)}`;
    } catch (thrown) {
      throwIfAborted(this.#options.signal);
      return `it cannot be rendered: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    }
  }

  /** The hash that is kept so that a tree need not be rendered again is that of the registered NAR. */
  #rememberedNar({ node, narSha256, narSize }: PathInfo): Problem {
    const key = narKey(node);
    const record = this.#parts.index.nars.getBinary(key);
    const kept = record === undefined ? undefined : decodeNar(key, record);
    if (kept === undefined || (equalBytes(kept.narSha256, narSha256) && kept.narSize === narSize)) return undefined;
    return "what is remembered of its NAR is something else";
  }

  async #files(): Promise<void> {
    const dir = join(this.#parts.storeDir, "files");
    for (const fan of namesIn(dir)) {
      for (const name of namesIn(join(dir, fan))) {
        if (!/^[0-9a-f]{64}-[rx]$/.test(name)) continue;
        throwIfAborted(this.#options.signal);
        const path = join(dir, fan, name);
        this.#checked.file++;
        const check = () => this.#checks.file(path, name);
        if ((await check()) !== undefined) await this.#consider("file", name, check);
      }
      this.#options.onProgress?.({ kind: "file", done: this.#checked.file });
    }
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    return []; // nothing was made there yet
  }
}
