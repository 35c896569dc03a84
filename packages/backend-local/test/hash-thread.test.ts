/* Hashing beside the thread that reads: the same digests, buffers that come and go, and who does it when it cannot be done there. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "@firn/castore";
import { HashThread } from "../src/hash-thread-host.ts";
import { noise } from "./noise.ts";

test("the thread takes bytes and gives them back with the digests of their pieces", async () => {
  const thread = new HashThread(100_000, 1);
  assert.equal(thread.hash(noise(100_000, 1), [100_000]), undefined, "the first bytes are the caller's");
  const lengths = [1, 300_000, 0, 65_536];
  const all = await Promise.all(
    [1, 2, 3].map(async (seed) => {
      const bytes = noise(365_537, seed);
      const hashing = thread.hash(bytes, lengths);
      assert.equal(bytes.length, 0, "they are taken, not copied");
      return await hashing;
    }),
  );
  for (const [n, hashed] of all.entries()) {
    const bytes = noise(365_537, n + 1);
    assert.deepEqual(hashed?.bytes, bytes);
    let at = 0;
    const expected = lengths.map((length) => digestOf(bytes.subarray(at, (at += length))));
    assert.deepEqual(hashed?.digests, expected);
  }
  assert.equal(new HashThread(0, 1 << 20).hash(noise(10, 6), [10]), undefined, "there are not as many cores");
  const last = thread.hash(new Uint8Array(1 << 26), Array(1 << 16).fill(1 << 10));
  const ended = assert.rejects(last as Promise<unknown>, /ended/);
  await thread.close();
  await ended;
  const kept = noise(10, 5);
  assert.equal(thread.hash(kept, [10]), undefined);
  assert.equal(kept.length, 10);
});
