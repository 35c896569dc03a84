/*
Where a blob is cut: FastCDC as the 2020 paper has it (Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based
Storage Systems") with normalisation level 1 and the tables and sizes of the Rust crate `fastcdc` as Snix uses it. docs/formats/chunks.md describes it.

A cut depends on the 48 bytes before it and on the distance from the cut before, so an insertion moves cuts near it and no others.
*/

import { wasmKernel } from "./wasm-kernel.ts";

/** No chunk but a blob's last is shorter. */
export const CHUNK_BYTES_MIN = 128 * 1024;
/** Up to this length a cut is made rarely, from there on readily. */
export const CHUNK_BYTES_AVERAGE = 256 * 1024;
export const CHUNK_BYTES_MAX = 512 * 1024;

/** 19 bits, one more than the average asks for. */
const MASK_RARE = 0xd917_0753_7000n;
/** 17 bits, one less. */
const MASK_READY = 0xd907_0353_7000n;
/** Looked through at a time: what is copied in behind a cut is wasted. */
const STEP_BYTES = 32 * 1024;

/** Length of the first chunk of `bytes`, which must be at least CHUNK_BYTES_MAX bytes or all there are to the end. */
export function firstChunkBytes(bytes: Uint8Array): number {
  if (bytes.length <= CHUNK_BYTES_MIN) return bytes.length;
  const length = Math.min(bytes.length, CHUNK_BYTES_MAX);
  // The reference looks at two bytes at a time: the last of an odd number is never looked at.
  const centre = Math.min(bytes.length, CHUNK_BYTES_AVERAGE) & ~1;
  wasmKernel().call.startCut();
  const early = find(bytes, CHUNK_BYTES_MIN, centre, MASK_RARE);
  if (early >= 0) return early;
  const late = find(bytes, centre, length & ~1, MASK_READY);
  return late >= 0 ? late : length;
}

function find(bytes: Uint8Array, from: number, to: number, mask: bigint): number {
  const { call, input } = wasmKernel();
  for (let at = from; at < to; at += STEP_BYTES) {
    const length = Math.min(STEP_BYTES, to - at);
    input.set(bytes.subarray(at, at + length));
    const found = call.findCut(length, mask);
    if (found >= 0) return at + found;
  }
  return -1;
}
