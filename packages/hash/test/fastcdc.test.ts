/* Cut points against a slow twin that counts in big integers, on data with and without patterns. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, firstChunkBytes } from "@firn/hash";
import fc from "fast-check";

const MASK_64 = (1n << 64n) - 1n;
const GEAR = Array.from({ length: 256 }, (_, value) =>
  createHash("md5").update(Buffer.alloc(64, value)).digest().readBigUInt64BE(0),
);

/** As the paper has it, two bytes a step: the even byte is tested with everything shifted by one. */
function twin(bytes: Uint8Array): number {
  if (bytes.length <= CHUNK_BYTES_MIN) return bytes.length;
  const length = Math.min(bytes.length, CHUNK_BYTES_MAX);
  const centre = Math.min(bytes.length, CHUNK_BYTES_AVERAGE);
  let hash = 0n;
  for (let pair = CHUNK_BYTES_MIN / 2; pair < Math.floor(length / 2); pair++) {
    const mask = pair < Math.floor(centre / 2) ? 0xd91707537000n : 0xd90703537000n;
    hash = ((hash << 2n) + ((GEAR[bytes[2 * pair]] << 1n) & MASK_64)) & MASK_64;
    if ((hash & (mask << 1n)) === 0n) return 2 * pair;
    hash = (hash + GEAR[bytes[2 * pair + 1]]) & MASK_64;
    if ((hash & mask) === 0n) return 2 * pair + 1;
  }
  return length;
}

/** Bytes that look random, the same for one seed on every machine. */
function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function cuts(bytes: Uint8Array, first: (rest: Uint8Array) => number): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length; at += lengths[lengths.length - 1]) lengths.push(first(bytes.subarray(at)));
  return lengths;
}

test("the first number of the gear table is the published one", () => {
  assert.equal(GEAR[0], 0x3b5d3c7d207e37dcn);
  assert.equal(GEAR[255], 0xaabd2b2a451504e1n);
});

test("three million bytes are cut where the twin cuts them", () => {
  const bytes = noise(3_000_000, 7);
  const lengths = cuts(bytes, firstChunkBytes);
  assert.deepEqual(lengths, cuts(bytes, twin));
  assert.ok(lengths.length > 6);
  for (const length of lengths.slice(0, -1)) assert.ok(length >= CHUNK_BYTES_MIN && length <= CHUNK_BYTES_MAX);
});

test("data that never asks for a cut is cut at the largest length, short data not at all", () => {
  assert.deepEqual(cuts(new Uint8Array(1_100_000), firstChunkBytes), [CHUNK_BYTES_MAX, CHUNK_BYTES_MAX, 51_424]);
  for (const length of [0, 1, CHUNK_BYTES_MIN]) assert.equal(firstChunkBytes(noise(length, 1)), length);
});

test("random lengths and contents are cut as by the twin", () => {
  fc.assert(
    fc.property(fc.nat(CHUNK_BYTES_MAX + 1000), fc.nat(), fc.constantFrom(1, 3, 255), (length, seed, keep) => {
      const bytes = noise(length, seed).map((byte) => byte & keep);
      assert.equal(firstChunkBytes(bytes), twin(bytes));
    }),
    { numRuns: 15 },
  );
});

test("an insertion moves the cuts near it and no others", () => {
  const bytes = noise(6_000_000, 3);
  const changed = new Uint8Array(
    Buffer.concat([bytes.subarray(0, 2_000_000), noise(1000, 4), bytes.subarray(2_000_000)]),
  );
  const ends = (lengths: number[]) =>
    new Set(lengths.map((_, i) => lengths.slice(i).reduce((sum, one) => sum + one, 0)));
  const before = ends(cuts(bytes, firstChunkBytes));
  const after = ends(cuts(changed, firstChunkBytes));
  assert.ok([...before].filter((fromEnd) => after.has(fromEnd)).length >= before.size - 10);
});
