import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringOf } from "@firn/base";
import fc from "fast-check";
import { digestBytes, HASH_ALGORITHMS } from "../src/algorithm.ts";
import { toHex } from "../src/encoding.ts";
import {
  createHasher,
  hashBytes,
  hashBytesHex,
  hashByteString,
  hashByteStringHex,
  PURE_KERNELS,
} from "../src/kernel.ts";
import { useNodeKernels } from "../src/node.ts";

const HELLO = new TextEncoder().encode("Hello World!");

test("the pure kernels agree with published digests", () => {
  const expected = {
    md5: "ed076287532e86365e841e92bfc50d8c",
    sha1: "2ef7bde608ce5404e97d5f042f95f89f1c232871",
    sha256: "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069",
    sha512:
      "861844d6704e8573fec34d967e20bcfef3d424cf48be04e6dc08f2bd58c729743371015ead891cc3cf1c9d34b49264b510751b1ff9e537937bc46b5d6ff4ecc8",
    blake3: "5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c",
  };
  for (const algorithm of HASH_ALGORITHMS)
    assert.equal(toHex(PURE_KERNELS[algorithm].hash(HELLO)), expected[algorithm]);
  assert.equal(
    toHex(PURE_KERNELS.blake3.hash(new Uint8Array(0))),
    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
  );
});

test("Node's kernels answer as the pure ones do, whole and in pieces", () => {
  useNodeKernels();
  fc.assert(
    fc.property(
      fc.constantFrom(...HASH_ALGORITHMS),
      fc.uint8Array({ maxLength: 5000 }),
      fc.nat(5000),
      (algorithm, bytes, cut) => {
        const pure = PURE_KERNELS[algorithm].hash(bytes);
        assert.equal(pure.length, digestBytes(algorithm));
        const whole = hashBytes(algorithm, bytes);
        assert.equal(Object.getPrototypeOf(whole), Uint8Array.prototype); // a Buffer's slice would share memory
        assert.deepEqual(whole, pure);
        assert.deepEqual(
          [hashBytesHex(algorithm, bytes), PURE_KERNELS[algorithm].hashHex(bytes)],
          [toHex(pure), toHex(pure)],
        );
        assert.deepEqual(hashByteString(algorithm, byteStringOf(bytes)), pure);
        assert.equal(hashByteStringHex(algorithm, byteStringOf(bytes)), toHex(pure));
        for (const hasher of [createHasher(algorithm), PURE_KERNELS[algorithm].createHasher()]) {
          assert.deepEqual(hasher.update(bytes.subarray(0, cut)).update(bytes.subarray(cut)).digest(), pure);
        }
      },
    ),
  );
});
