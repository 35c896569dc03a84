/* A reader over bytes in memory: who gets the bytes themselves, and who gets copies. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BytesReader, MemoryBlobs, readBlob } from "@firn/castore";

test("bytes that nobody else has are handed over, once; others are copied", async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const own = new BytesReader(bytes, undefined, "own");
  assert.equal(own.take(), bytes);
  await assert.rejects(Array.fromAsync(own.stream()), { code: "closed" });
  const shared = new BytesReader(bytes);
  assert.equal(shared.take(), undefined);
  const [copy] = await Array.fromAsync(shared.stream());
  assert.deepEqual(copy, bytes);
  assert.notEqual(copy.buffer, bytes.buffer);
  const reason = new Error("enough");
  assert.throws(() => new BytesReader(bytes, AbortSignal.abort(reason), "own").take(), reason);
});

test("who reads a blob whole can do with it what he likes", async () => {
  const blobs = new MemoryBlobs();
  const digest = await blobs.put(new Uint8Array([1, 2, 3]));
  (await readBlob(blobs, digest, 10)).fill(0);
  assert.deepEqual(await readBlob(blobs, digest, 10), new Uint8Array([1, 2, 3]));
});
