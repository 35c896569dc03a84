/*
When a store moves to its next epoch. Every collection begins one. A lease begins one as well when the last began a day ago: it holds all that
was put or promised since the epoch it is opened in began, so that without this, one open lease would keep a collection from whatever was
put since the last collection. More often would be finer, but whoever puts again what is there writes it anew once per epoch.
*/

import { beginEpoch, currentEpoch } from "./record-head.ts";
import type { StoreIndex } from "./store-index.ts";

const BEGAN_KEY = Buffer.from("epoch-began", "latin1");
const EPOCH_SECONDS = 24 * 60 * 60;

/** Begins an epoch at `now` (seconds since 1970) and yields it. To be called inside a write transaction. */
export function advanceEpoch(index: StoreIndex, now: number): number {
  const began = Buffer.alloc(8);
  began.writeBigUInt64LE(BigInt(now));
  index.meta.putSync(BEGAN_KEY, began);
  return beginEpoch(index);
}

/** The epoch for a lease that is opened at `now`. To be called inside a write transaction. */
export function epochForLease(index: StoreIndex, now: number): number {
  const began = index.meta.getBinary(BEGAN_KEY);
  const since = now - (began === undefined ? 0 : Number(Buffer.from(began).readBigUInt64LE()));
  // A clock that was set back must not stop epochs for good.
  return since >= 0 && since < EPOCH_SECONDS ? currentEpoch(index) : advanceEpoch(index, now);
}
