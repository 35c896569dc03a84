/*
The first four bytes of every record of a blob, chunk, directory or outboard: the epoch in which it was last put or relied on. Garbage
collection begins by moving the store to the next epoch; a record of an older one that nothing living refers to may go. So
whoever finds what he wanted to put stamps it anew when its epoch is past, inside the transaction that relies on it.
*/

import type { StoreIndex, Table } from "./store-index.ts";

/** Length of the head of a record. */
export const HEAD_BYTES = 4;

const EPOCH_KEY = Buffer.from("epoch", "latin1");
const FIRST_EPOCH = 1;

/** The store's epoch. What is written with it must be written in the transaction that read it. */
export function currentEpoch(index: StoreIndex): number {
  const bytes = index.meta.getBinary(EPOCH_KEY);
  return bytes === undefined ? FIRST_EPOCH : epochOf(bytes);
}

/** Moves the store to the next epoch and yields it. To be called inside a write transaction, when a collection begins. */
export function beginEpoch(index: StoreIndex): number {
  const next = currentEpoch(index) + 1;
  const bytes = new Uint8Array(HEAD_BYTES);
  stamp(bytes, next);
  index.meta.putSync(EPOCH_KEY, bytes);
  return next;
}

/** The epoch a record was last put in. */
export function epochOf(record: Uint8Array): number {
  return (record[0] | (record[1] << 8) | (record[2] << 16) | (record[3] << 24)) >>> 0;
}

/** Writes the epoch into the head of a record that is the caller's. */
export function stamp(record: Uint8Array, epoch: number): void {
  record[0] = epoch;
  record[1] = epoch >>> 8;
  record[2] = epoch >>> 16;
  record[3] = epoch >>> 24;
}

/** The epoch of the record under `key`, undefined when there is none. */
export function epochAt(table: Table, key: Buffer): number | undefined {
  const record = table.getBinaryFast(key);
  return record === undefined ? undefined : epochOf(record);
}

/**
 * Whether the record is there and of the current epoch, so that there is nothing to write. It looks in a new snapshot: one that was taken
 * before a collection began would say so of what is being swept.
 */
export function isCurrent(index: StoreIndex, table: Table, key: Buffer): boolean {
  index.env.resetReadTxn();
  return epochAt(table, key) === currentEpoch(index);
}

/** Whether the record is there, stamped with `epoch` if its own is older. To be called inside a write transaction. */
export function restamp(table: Table, key: Buffer, epoch: number): boolean {
  const record = table.getBinary(key);
  if (record === undefined) return false;
  if (epochOf(record) >= epoch) return true;
  const copy = new Uint8Array(record);
  stamp(copy, epoch);
  table.putSync(key, copy);
  return true;
}
