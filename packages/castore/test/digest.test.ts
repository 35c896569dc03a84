/* Digests in their written forms. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOfDigest, digestFromBytes, digestOf, EMPTY_DIGEST, formatDigest, parseDigest } from "@firn/castore";

test("contents have the published digests", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  assert.equal(digestOf(encode("")), EMPTY_DIGEST);
  assert.equal(digestOf(encode("Hello World!")), "5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c");
  assert.equal(digestOf(encode("Hello World")), "41f8394111eb713a22165c46c90ab8f0fd9399c92028fd6d288944b23ff5bf76");
  assert.equal(digestOf(new Uint8Array([0, 1])), "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63");
  const repeated = Uint8Array.from({ length: 255 * 4096 }, (_, i) => i % 255);
  assert.equal(digestOf(repeated), "a82c5154a7a0c262c6fdb929a317585646f8fbcf80326d0a7b8747edaf2d99d2");
});

test("a digest is read in hex and in base64 and printed in base64", () => {
  const printed = formatDigest(EMPTY_DIGEST);
  assert.equal(printed, "blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=");
  assert.equal(parseDigest(printed), EMPTY_DIGEST);
  assert.equal(parseDigest(EMPTY_DIGEST), EMPTY_DIGEST);
  assert.equal(digestFromBytes(bytesOfDigest(EMPTY_DIGEST)), EMPTY_DIGEST);
});

test("anything else is not a digest", () => {
  const printed = formatDigest(EMPTY_DIGEST);
  const bad = [
    "",
    "af",
    EMPTY_DIGEST.toUpperCase(),
    `${EMPTY_DIGEST}0`,
    printed.slice(0, -1),
    printed.replace("mI=", "mJ="),
    `sha256-${printed.slice(7)}`,
  ];
  for (const text of bad) assert.throws(() => parseDigest(text), { code: "invalid-digest" }, text);
  assert.throws(() => digestFromBytes(new Uint8Array(31)), { code: "invalid-digest" });
});
