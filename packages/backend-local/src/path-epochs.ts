/*
The epoch in which each path info was last put or promised. Records of blobs and directories carry theirs in a head; a path info is text that
does not change, so its epoch stands in a table of its own, under the same key.
*/

import { HEAD_BYTES, epochAt, stamp } from "./record-head.ts";
import type { StoreIndex } from "./store-index.ts";

/** The epoch of a path, 0 when nothing is known of it. */
export function pathEpochAt(index: StoreIndex, key: Buffer): number {
  return epochAt(index.pathEpochs, key) ?? 0;
}

/** Sets the epoch of a path unless it is that already. To be called inside a write transaction in which the path was found, or is put. */
export function stampPath(index: StoreIndex, key: Buffer, epoch: number): void {
  if (pathEpochAt(index, key) >= epoch) return;
  const bytes = new Uint8Array(HEAD_BYTES);
  stamp(bytes, epoch);
  index.pathEpochs.putSync(key, bytes);
}
