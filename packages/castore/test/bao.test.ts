/* Outboards and slices: held against a recursive twin, against every single flipped byte, and between each other. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { collectBytes, concatBytes, streamOf } from "@firn/base";
import {
  decodeSlice,
  type Digest,
  digestOf,
  encodeSlice,
  MemoryBlobs,
  OutboardBuilder,
  outboardBytes,
  outboardOf,
  outboardSize,
  verifiedRange,
} from "@firn/castore";
import { parentCv, pieceCv, pieceRoot, toHex } from "@firn/hash";
import fc from "fast-check";

const SIZES = [0, 1, 1023, 1024, 1025, 16_383, 16_384, 16_385, 32_768, 32_769, 49_152, 65_537, 300_001];
const tooLong = () => new Error("too long");
const all = (stream: AsyncIterable<Uint8Array>) => collectBytes(stream, 1 << 26, tooLong);

function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) + (i >> 16)) & 255;
  return bytes;
}

const readerOf = (bytes: Uint8Array) => ({
  size: bytes.length,
  stream: (from = 0, to = bytes.length) => streamOf(bytes.slice(from, to)),
});

function outboard(bytes: Uint8Array) {
  const builder = new OutboardBuilder();
  builder.update(bytes);
  return builder.finish();
}

/** The encoding as bao-tree defines it, recursively: whole groups as bytes, else a pair and both halves. Without the length. */
function twin(
  bytes: Uint8Array,
  leaf: number,
  isRoot: boolean,
  from: number,
  to: number,
  emitsData: boolean,
): [Uint8Array, Uint8Array] {
  const leaves = Math.max(1, Math.ceil(bytes.length / 1024));
  const wanted = leaf < to && from < leaf + leaves;
  const full = from <= leaf && leaf + leaves <= to;
  if (bytes.length <= 1024) {
    const cv = isRoot ? pieceRoot(bytes) : pieceCv(bytes, leaf);
    return [wanted && emitsData ? bytes : new Uint8Array(), cv];
  }
  let left = 1024;
  while (left * 2 < bytes.length) left *= 2;
  const [leftOut, leftCv] = twin(bytes.subarray(0, left), leaf, false, from, to, emitsData);
  const [rightOut, rightCv] = twin(bytes.subarray(left), leaf + left / 1024, false, from, to, emitsData);
  const pair = concatBytes([leftCv, rightCv]);
  const emitsPair = wanted && (!full || bytes.length > 16_384);
  return [concatBytes([emitsPair ? pair : new Uint8Array(), leftOut, rightOut]), parentCv(pair, isRoot)];
}

function twinSlice(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const count = Math.max(1, Math.ceil(bytes.length / 1024));
  const first = Math.min(Math.floor(from / 1024), count - 1);
  const end = Math.min(Math.max(Math.ceil(to / 1024), first + 1), count);
  const size = new Uint8Array(new BigUint64Array([BigInt(bytes.length)]).buffer);
  return concatBytes([size, twin(bytes, 0, true, first, end, true)[0]]);
}

describe("an outboard", () => {
  test("is the digest's tree in pre-order behind the length, for every size and however the bytes come", () => {
    for (const size of SIZES) {
      const bytes = patterned(size);
      const made = outboard(bytes);
      assert.equal(made.digest, digestOf(bytes), `${size}`);
      assert.equal(made.bytes.length, outboardBytes(size));
      assert.equal(outboardSize(made.bytes), size);
      assert.deepEqual(made.bytes.subarray(8), twin(bytes, 0, true, 0, 1 << 30, false)[0], `${size}`);
      for (const step of [1000, 16_384, 40_000]) {
        const builder = new OutboardBuilder();
        for (let at = 0; at < size; at += step) builder.update(bytes.subarray(at, at + step));
        assert.deepEqual(builder.finish(), made);
      }
    }
  });

  test("of a wrong length is refused", () => {
    const { bytes } = outboard(patterned(40_000));
    for (const bad of [
      new Uint8Array(),
      bytes.subarray(0, 7),
      bytes.subarray(0, bytes.length - 1),
      new Uint8Array(8).fill(255),
    ])
      assert.throws(() => outboardSize(bad), { code: "corrupt" });
  });

  test("is made for a service that keeps none", async () => {
    const blobs = new MemoryBlobs();
    const digest = await blobs.put(patterned(100_000));
    assert.deepEqual(await outboardOf(blobs, digest), outboard(patterned(100_000)).bytes);
    assert.equal(await outboardOf(blobs, digestOf(patterned(3))), undefined);
  });

  test("has the published vector", () => {
    const made = outboard(patterned(40_000));
    assert.equal(made.digest, "99c6005405e58ff1e02f114601430b043aea32315133d03f8bd3992754abdd35");
    assert.match(toHex(made.bytes), /^409c00000000000054fd934b.*bb781c73$/);
    assert.equal(digestOf(made.bytes), "7e0df6bbcbf6fae545aec910661d4c23c56d4440ca0a2b3a6c1d8236984ec77d");
  });
});

const RANGES = [
  [0, 0],
  [0, 1],
  [0, 1024],
  [1023, 1025],
  [0, 16_384],
  [16_384, 16_385],
  [1024, 40_000],
  [0, 1 << 20],
  [299_990, 300_001],
  [1 << 20, 1 << 21],
] as const;

describe("a slice", () => {
  test("has the published vector", async () => {
    const bytes = patterned(40_000);
    const slice = await all(encodeSlice(readerOf(bytes), outboard(bytes).bytes, 16_384, 17_000));
    assert.equal(slice.length, 8 + 6 * 64 + 1024);
    assert.equal(digestOf(slice), "4c513b55e94fa7c19aecdf3d007112a5aeecd0b6cf703062e75e4bac81ac0150");
  });

  test("is what the twin encodes, and decodes to the range", async () => {
    for (const size of SIZES) {
      const bytes = patterned(size);
      const { bytes: tree, digest } = outboard(bytes);
      for (const [from, to] of RANGES) {
        const slice = await all(encodeSlice(readerOf(bytes), tree, from, to));
        assert.deepEqual(slice, twinSlice(bytes, from, to), `${size}: ${from}-${to}`);
        assert.deepEqual(await all(decodeSlice(streamOf(slice), digest, from, to)), bytes.slice(from, to));
        assert.deepEqual(await all(verifiedRange(digest, readerOf(bytes), tree, from, to)), bytes.slice(from, to));
      }
    }
  });

  test("random ranges go through, however the slice is cut into pieces", () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(120_000),
        fc.nat(130_000),
        fc.nat(130_000),
        fc.integer({ min: 1, max: 5000 }),
        async (size, a, b, step) => {
          const bytes = patterned(size);
          const { bytes: tree, digest } = outboard(bytes);
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          const slice = await all(encodeSlice(readerOf(bytes), tree, from, to));
          assert.deepEqual(slice, twinSlice(bytes, from, to));
          const pieces = async function* () {
            for (let at = 0; at < slice.length; at += step) yield slice.slice(at, at + step);
          };
          assert.deepEqual(await all(decodeSlice(pieces(), digest, from, to)), bytes.slice(from, to));
        },
      ),
      { numRuns: 40 },
    ));

  test("with any byte flipped or cut off yields nothing that is not the blob's, and fails", async () => {
    const bytes = patterned(20_000);
    const { bytes: tree, digest } = outboard(bytes);
    const slice = await all(encodeSlice(readerOf(bytes), tree, 3000, 5000));
    const decode = async (bad: Uint8Array) => {
      const got: Uint8Array[] = [];
      await assert.rejects(
        async () => {
          for await (const part of decodeSlice(streamOf(bad), digest, 3000, 5000)) got.push(part);
        },
        { code: "corrupt" },
      );
      const prefix = concatBytes(got);
      assert.deepEqual(prefix, bytes.slice(3000, 3000 + prefix.length));
    };
    for (let at = 8; at < slice.length; at += 13) {
      const bad = slice.slice();
      bad[at] ^= 1 << (at & 7);
      await decode(bad);
    }
    for (const length of [0, 7, 8, 71, 72, slice.length - 1]) await decode(slice.slice(0, length));
  });

  test("that lies about the length cannot make bytes up, nor an early end", async () => {
    const bytes = patterned(50_000);
    const { bytes: tree, digest } = outboard(bytes);
    for (const claimed of [0, 1, 16_384, 49_999, 50_001, 65_536, 1 << 20, 2 ** 52]) {
      for (const [from, to] of [
        [0, 100_000],
        [49_000, 60_000],
        [60_000, 60_001],
      ] as const) {
        const slice = await all(encodeSlice(readerOf(bytes), tree, from, to));
        new DataView(slice.buffer).setBigUint64(0, BigInt(claimed), true);
        await assert.rejects(all(decodeSlice(streamOf(slice), digest, from, to)), { code: "corrupt" }, `${claimed}`);
      }
    }
  });

  test("from a reader or an outboard that lies is found out before a byte of the lie is seen", async () => {
    const bytes = patterned(400_000);
    const { bytes: tree, digest } = outboard(bytes);
    const other = bytes.slice();
    other[300_000] ^= 1;
    const got: number[] = [];
    await assert.rejects(
      async () => {
        for await (const part of verifiedRange(digest, readerOf(other), tree, 0, 400_000)) got.push(part.length);
      },
      { code: "corrupt" },
    );
    assert.equal(
      got.reduce((sum, one) => sum + one, 0),
      262_144,
    );
    await assert.rejects(all(verifiedRange(digest, readerOf(other), outboard(other).bytes, 0, 1)), { code: "corrupt" });
    await assert.rejects(all(verifiedRange(digest, readerOf(bytes.slice(1)), tree, 0, 1)), { code: "corrupt" });
    assert.ok((digest satisfies Digest).length === 64);
  });
});

describe("a range of a blob that is here", () => {
  /** Streams in pieces of so many bytes, and more than it was asked for. */
  const steppingReader = (bytes: Uint8Array, step: number) => ({
    size: bytes.length,
    async *stream(from = 0, to = bytes.length) {
      for (let at = from; at < to; at += step) yield bytes.slice(at, at + step);
    },
  });

  test("is what a slice proves, whatever pieces it comes in", async () => {
    for (const size of SIZES) {
      const bytes = patterned(size);
      const { bytes: tree, digest } = outboard(bytes);
      for (const [from, to] of [
        [0, size],
        [0, 1],
        [size, size],
        [size + 5, size + 9],
        [Math.floor(size / 3), Math.floor(size / 2)],
        [Math.max(0, size - 20_000), size + 7],
      ]) {
        const sliced = await all(decodeSlice(encodeSlice(readerOf(bytes), tree, from, to), digest, from, to));
        for (const step of [size < 20_000 ? 1 : 333, 65_536, 1 << 20]) {
          const found = await all(verifiedRange(digest, steppingReader(bytes, step), tree, from, to));
          assert.deepEqual(found, sliced, `${size} bytes, ${from} to ${to} by ${step}`);
        }
      }
    }
  });

  test("with any byte flipped, of it or of the proof, yields nothing that is not the blob's, and fails", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 600_000 }), fc.nat(), fc.boolean(), async (size, place, isInProof) => {
        const bytes = patterned(size);
        const { bytes: tree, digest } = outboard(bytes);
        const flipped = isInProof && tree.length > 8 ? tree : bytes.slice();
        // The length is not flipped: another one is found before anything is read.
        const at = flipped === tree ? 8 + (place % (tree.length - 8)) : place % size;
        flipped[at] ^= 1 << (place & 7);
        const reader = steppingReader(flipped === tree ? bytes : flipped, 50_000);
        const got: Uint8Array[] = [];
        await assert.rejects(
          async () => {
            for await (const part of verifiedRange(digest, reader, tree, 0, size)) got.push(part);
          },
          { code: "corrupt" },
        );
        const prefix = concatBytes(got);
        assert.deepEqual(prefix, bytes.subarray(0, prefix.length));
      }),
      { numRuns: 40 },
    ));

  test("that ends early is corrupt, and so is one of which another length is said", async () => {
    const bytes = patterned(100_000);
    const { bytes: tree, digest } = outboard(bytes);
    const short = { size: bytes.length, stream: () => streamOf(bytes.slice(0, 99_999)) };
    await assert.rejects(all(verifiedRange(digest, short, tree, 0, 100_000)), { code: "corrupt" });
    for (const size of [0, 1, 16_384, 99_999, 100_001, 200_000]) {
      const other = patterned(size);
      for (const [from, to] of [
        [0, 1],
        [size, size],
      ])
        await assert.rejects(all(verifiedRange(digest, readerOf(other), outboard(other).bytes, from, to)), {
          code: "corrupt",
        });
    }
  });
});
