/*
Showing castore nodes as real files to programs that know nothing of castore: a sandbox, a Nix client.
A checkout of hard links does it, a FUSE mount may.
*/

import type { Node } from "./node.ts";
import type { CallOptions } from "./lease.ts";

export interface TreeExposer {
  /**
   * Makes each node visible at some absolute host path, until the result is released or the process ends: what is shown must not be
   * removed to make space, nor by garbage collection, in this process or another. The files must not be
   * writable through what is shown, have mtime 1, and modes 0444 or 0555. Order of the answer is the order of `nodes`.
   */
  expose(nodes: readonly Node[], options?: CallOptions): Promise<ExposedTrees>;
}

export interface ExposedTrees extends AsyncDisposable {
  /** One absolute host path per node asked for. A symlink node is shown as a symlink. */
  readonly hostPaths: readonly string[];
  /** Releasing twice is allowed and does nothing. */
  release(): Promise<void>;
}
