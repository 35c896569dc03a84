/*
A tree of the host taken in together with the hash of its NAR: what is added as a store path needs both. The first time one pass over the
files does it. Where the stat cache knows the tree, files are not read at all, and the NAR's hash is that of the same node before.
*/

import { resolve } from "node:path";
import type { ImportOptions, Node } from "@firn/castore";
import type { NarDigest } from "@firn/store";
import type { DiskImporter } from "./disk-importer.ts";
import { bytePath } from "./host-path.ts";
import type { LocalNars } from "./local-nars.ts";
import { seenDirectory } from "./stat-cache.ts";
import type { StoreIndex } from "./store-index.ts";

export type AddedTree = NarDigest & { readonly node: Node };

export type AddTreeOptions = Omit<ImportOptions, "observer" | "treeObserver"> & {
  /** Whether files that look as they did at the last import are taken as unchanged; true when not said. */
  readonly statCache?: boolean;
};

export class TreeAdder {
  readonly #index: StoreIndex;
  readonly #importer: DiskImporter;
  readonly #nars: LocalNars;

  constructor(index: StoreIndex, importer: DiskImporter, nars: LocalNars) {
    this.#index = index;
    this.#importer = importer;
    this.#nars = nars;
  }

  /** As `importTree`, with the hash and length of the tree's NAR. */
  async addTree(hostPath: string, { statCache = true, ...options }: AddTreeOptions = {}): Promise<AddedTree> {
    if (statCache && seenDirectory(this.#index, bytePath(resolve(hostPath))) !== undefined) {
      const { node } = await this.#importer.importWith(hostPath, options, "read", false);
      return { node, ...(await this.#nars.calculateNar(node, options)) };
    }
    const { node, nar } = await this.#importer.importWith(hostPath, options, statCache ? "write" : "none", true);
    await this.#nars.remember(node, nar as NarDigest);
    return { node, ...(nar as NarDigest) };
  }
}
