/* The WebAssembly BLAKE3 against a slow twin, the kernels of whole digests, and its own sources. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { GENERATED, generateHashKernel } from "../../../dev/generate-hash.ts";
import { PURE_KERNELS } from "../src/kernel.ts";
import { useNodeKernels } from "../src/node.ts";
import {
  CV_BYTES,
  GROUP_BYTES,
  GROUPS_BYTES_MAX,
  groupCvs,
  groupCvsOfParts,
  hashBytes,
  parentCv,
  pieceCv,
  pieceRoot,
} from "@firn/hash";
import { twinParent, twinSubtree } from "./blake3-twin.ts";

const LENGTHS = [0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 3000, 4095, 4096, 4097, 5121, 8192, 12_289, 16_383, 16_384];

function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 251 + (i >> 8) * 7) & 255;
  return bytes;
}

test("the committed module is what its sources compile to", () => {
  assert.equal(readFileSync(GENERATED, "utf8"), generateHashKernel());
});

test("pieces of every interesting length have the twin's chaining value and root", () => {
  useNodeKernels();
  for (const length of LENGTHS) {
    const bytes = patterned(length);
    assert.deepEqual(pieceRoot(bytes), twinSubtree(bytes, 0, true), `${length}`);
    assert.deepEqual(pieceRoot(bytes), hashBytes("blake3", bytes), `${length}`);
    if (length === 0) continue;
    for (const firstLeaf of [0, 16, 2 ** 32 - 16, 2 ** 32, 2 ** 40])
      assert.deepEqual(pieceCv(bytes, firstLeaf), twinSubtree(bytes, firstLeaf, false), `${length} at ${firstLeaf}`);
  }
  assert.throws(() => pieceRoot(new Uint8Array(GROUP_BYTES + 1)), /at most one group/);
});

test("random pieces, groups and parents agree with the twin", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: GROUP_BYTES }), fc.nat(1 << 20), (bytes, group) => {
      assert.deepEqual(pieceCv(bytes, group * 16), twinSubtree(bytes, group * 16, false));
      const cvs = new Uint8Array(CV_BYTES + 3);
      groupCvs(bytes, group, cvs, 3);
      assert.deepEqual(cvs.subarray(3), twinSubtree(bytes, group * 16, false));
    }),
    { numRuns: 30 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.boolean(), (pair, isRoot) => {
      assert.deepEqual(parentCv(pair, isRoot), twinParent(pair, isRoot));
    }),
  );
});

test("groups of more than the module's memory, merged, give the digest", () => {
  const bytes = patterned(700_001);
  const cvs = new Uint8Array(Math.ceil(bytes.length / GROUP_BYTES) * CV_BYTES);
  groupCvs(bytes, 0, cvs);
  const parts = [bytes.subarray(0, 5), bytes.subarray(5, 70_000), bytes.subarray(70_000, GROUPS_BYTES_MAX)];
  assert.deepEqual(groupCvsOfParts(parts, 0), cvs.slice(0, (GROUPS_BYTES_MAX / GROUP_BYTES) * CV_BYTES));
  const merge = (from: number, to: number, isRoot: boolean): Uint8Array => {
    if (to - from === 1) return cvs.slice(from * CV_BYTES, to * CV_BYTES);
    let left = 1;
    while (left * 2 < to - from) left *= 2;
    const pair = new Uint8Array(2 * CV_BYTES);
    pair.set(merge(from, from + left, false));
    pair.set(merge(from + left, to, false), CV_BYTES);
    return parentCv(pair, isRoot);
  };
  assert.deepEqual(merge(0, cvs.length / CV_BYTES, true), PURE_KERNELS.blake3.hash(bytes));
});
