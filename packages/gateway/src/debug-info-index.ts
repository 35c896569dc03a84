/*
Which path has the debug information of a build id. Nothing keeps that, so all paths are looked at when a build id is asked for that is not known; what was
looked at once is not looked at again, and the list of paths is read again at most now and then.
*/

import { type CallOptions, CastoreError } from "@firn/castore";
import { type DebugFile, debugFiles, type PathInfo, type StoreServices } from "@firn/store";

const FRESH_MS = 10_000;
/** Build ids that are remembered; what comes later is not found. */
const BUILD_IDS_MAX = 1 << 20;

type Found = DebugFile & { readonly info: PathInfo };

export type DebugInfoIndexParts = Pick<StoreServices, "directories" | "pathInfos"> & {
  /** Milliseconds since 1970. */
  readonly now: () => number;
};

export class DebugInfoIndex {
  readonly #parts: DebugInfoIndexParts;
  /** Hash parts of the paths that have it, by build id. */
  readonly #holders = new Map<string, string[]>();
  /** Hash parts of paths that were looked at. */
  readonly #seen = new Set<string>();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(parts: DebugInfoIndexParts) {
    this.#parts = parts;
  }

  /** The file of a build id in one of the registered paths; undefined when none has it. */
  async find(buildId: string, options: CallOptions): Promise<Found | undefined> {
    const known = await this.#among(buildId, options);
    if (known !== undefined || this.#parts.now() - this.#readAt < FRESH_MS) return known;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
    return await this.#among(buildId, options);
  }

  async #among(buildId: string, options: CallOptions): Promise<Found | undefined> {
    const { pathInfos, directories } = this.#parts;
    for (const hashPart of this.#holders.get(buildId) ?? []) {
      const info = await pathInfos.get(hashPart, options);
      if (info === undefined) continue; // deleted, and may come back
      const file = (await debugFiles(info.node, directories, options)).find((one) => one.buildId === buildId);
      if (file !== undefined) return { ...file, info };
    }
    return undefined;
  }

  async #read(): Promise<void> {
    const { pathInfos, directories, now } = this.#parts;
    this.#readAt = now();
    for await (const { path, node } of pathInfos.list()) {
      const { hashPart } = path;
      if (node.kind !== "directory" || this.#seen.has(hashPart)) continue;
      if (this.#holders.size >= BUILD_IDS_MAX) return;
      try {
        for (const { buildId } of await debugFiles(node, directories))
          this.#holders.set(buildId, [...(this.#holders.get(buildId) ?? []), hashPart]);
        this.#seen.add(hashPart);
      } catch (thrown) {
        if (!(thrown instanceof CastoreError && thrown.code === "missing")) throw thrown; // collected meanwhile
      }
    }
  }
}
