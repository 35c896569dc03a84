/*
The local store opened: one directory on a local disk, all interfaces over it. Several processes may have it open at once. Not
for network file systems, whose memory maps and locks LMDB cannot trust.
*/

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { throwIfAborted } from "@firn/base";
import type { BlobService, DirectoryService, TreeExposer, TreeImporter } from "@firn/castore";
import { useNodeKernels } from "@firn/hash/node";
import type { GarbageResult, NarCalculator, PathInfoService, RealisationService, StoreUpkeep } from "@firn/store";
import { CheckoutSpace } from "./checkout-space.ts";
import { ChunkStore } from "./chunk-store.ts";
import { Commits } from "./commits.ts";
import { DiskImporter } from "./disk-importer.ts";
import { LocalStoreError, storageProblem } from "./error.ts";
import { FORMAT_VERSION, openFormat, replaceFormat } from "./format.ts";
import { collectGarbage, type GcOptions } from "./gc.ts";
import { HashThread } from "./hash-thread-host.ts";
import { LocalBlobs } from "./local-blobs.ts";
import { LocalDirectories } from "./local-directories.ts";
import { LocalLeases } from "./local-leases.ts";
import { LocalNars } from "./local-nars.ts";
import { LocalPathInfos } from "./local-path-infos.ts";
import { LocalRealisations } from "./local-realisations.ts";
import { LocalRoots } from "./local-roots.ts";
import { migrateFromVersion0 } from "./migration.ts";
import { PackWriter } from "./pack-writer.ts";
import { Packs } from "./packs.ts";
import { Staging } from "./staging.ts";
import { StoreIndex } from "./store-index.ts";
import { type AddedTree, type AddTreeOptions, TreeAdder } from "./tree-adder.ts";
import { TreeCheckout } from "./tree-checkout.ts";
import { verifyStore, type VerifyOptions, type VerifyReport } from "./verify.ts";

export type LocalStoreOptions = {
  /** Makes an empty store where nothing is yet; true when not said. */
  readonly create?: boolean;
  /** How many bytes materialised files may take; 10 GiB when not said. What is shown, and what links to results lead to, stays beyond that. */
  readonly filesBytesMax?: number;
  readonly signal?: AbortSignal;
};

export interface LocalStore extends StoreUpkeep, AsyncDisposable {
  /** Absolute host path of the store. */
  readonly dir: string;
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly pathInfos: PathInfoService;
  readonly realisations: RealisationService;
  readonly leases: LocalLeases;
  readonly importer: TreeImporter;
  /** Hashes of NARs, each computed once. */
  readonly nars: NarCalculator;
  /** Takes in a tree of the host together with the hash of its NAR, in one pass or, where nothing changed, without reading it. */
  addTree(hostPath: string, options?: AddTreeOptions): Promise<AddedTree>;
  readonly exposer: TreeExposer;
  readonly roots: LocalRoots;
  /** Deletes what no root and no lease needs; see gc.ts. */
  collectGarbage(options?: GcOptions): Promise<GarbageResult>;
  /** Looks through the whole store for damage; see verify.ts. */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /** Releases the leases opened here and closes the index. Closing twice is allowed. */
  close(): Promise<void>;
}

/** Opens the store at a host path. Throws LocalStoreError `not-a-store`, `unknown-format` or `storage`. */
export async function openLocalStore(storeDir: string, options: LocalStoreOptions = {}): Promise<LocalStore> {
  throwIfAborted(options.signal);
  useNodeKernels(); // a store hashes all it touches
  const dir = resolve(storeDir);
  if (openFormat(dir, options.create ?? true) < FORMAT_VERSION) {
    await migrateFromVersion0(dir, options.signal);
    replaceFormat(dir);
  }
  try {
    for (const name of ["index", "packs", "files", "trees", "staging"]) mkdirSync(join(dir, name), { recursive: true });
  } catch (thrown) {
    throw new LocalStoreError("storage", `the store at ${dir} cannot be written to: ${storageProblem(thrown)}`, {
      cause: thrown,
    });
  }
  const index = new StoreIndex(dir);
  const commits = new Commits(index);
  const leases = new LocalLeases(index, commits);
  const staging = new Staging(dir);
  const packs = new Packs(dir);
  const writer = new PackWriter(index, packs);
  const hashThread = new HashThread();
  const parts = { index, commits, leases, staging, packs, writer, chunks: new ChunkStore(index, packs, hashThread) };
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= leases.releaseAll().finally(async () => {
      commits.flush();
      await writer.close().catch(() => {}); // what was to be durable was flushed by who stored it
      await hashThread.close();
      packs.close();
      await index.close();
    });
    return closing;
  };
  try {
    staging.clean();
    await leases.clean();
  } catch (thrown) {
    await close();
    throw thrown;
  }
  const roots = new LocalRoots(index, commits);
  const space = new CheckoutSpace(dir, { index, commits, staging, roots }, options.filesBytesMax);
  const blobs = new LocalBlobs(parts);
  const directories = new LocalDirectories(index, commits, leases);
  const verifyParts = { index, chunks: parts.chunks, blobs, directories, storeDir: dir };
  const importer = new DiskImporter(parts);
  const nars = new LocalNars(index, commits, { blobs, directories });
  const adder = new TreeAdder(index, importer, nars);
  return {
    dir,
    blobs,
    directories,
    nars,
    addTree: (hostPath, addOptions) => adder.addTree(hostPath, addOptions),
    pathInfos: new LocalPathInfos(index, commits, leases),
    realisations: new LocalRealisations(index, commits, leases),
    leases,
    importer,
    exposer: new TreeCheckout(parts, space),
    roots,
    collectGarbage: (gcOptions) => collectGarbage({ index, leases, roots, packs, writer, space }, gcOptions),
    verify: (verifyOptions) => verifyStore(verifyParts, verifyOptions),
    close,
    [Symbol.asyncDispose]: close,
  };
}
