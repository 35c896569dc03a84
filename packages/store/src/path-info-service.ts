/*
Where path infos live, asked for by the 20-byte hash part of a store path.
*/

import type { CallOptions } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import type { PathInfo } from "./path-info.ts";

export type PathInfoServiceSupports = {
  readonly write: boolean;
  readonly list: boolean;
  /** As BlobServiceSupports. */
  readonly forgets?: boolean;
};

export interface PathInfoService {
  readonly supports: PathInfoServiceSupports;

  /** The path info, or undefined when the path is not registered. `hashPart` is 32 nixbase32 characters. With a lease, the path is held until it ends. */
  get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined>;

  /**
   * Registers paths, all or none, durably. Contents must be in the store already, and references registered before or in the same call.
   * A path registered already keeps its contents: the same NAR hash merges signatures, another one is a `conflict`.
   */
  put(infos: readonly PathInfo[], options?: CallOptions): Promise<void>;

  /** All of them, in no order. Must not hold the store up while the consumer is slow. */
  list(options?: CallOptions): AsyncIterable<PathInfo>;

  /** Paths whose references hold `path`, without itself. */
  referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]>;
}
