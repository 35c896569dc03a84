/* A table of keys numbers them in the order they come and finds each again. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { DigestTable } from "../src/digest-table.ts";

const keyOf = (number: number) => createHash("sha256").update(`${number}`).digest();

test("keys are numbered from 0 in the order they come, once each, however many", () => {
  const table = new DigestTable();
  for (let i = 0; i < 5000; i++) assert.equal(table.add(keyOf(i)), i);
  for (let i = 0; i < 5000; i++) assert.equal(table.add(keyOf(i)), i);
  assert.equal(table.size, 5000);
  const found = Buffer.alloc(32);
  for (let i = 0; i < 5000; i += 7) {
    assert.equal(table.numberOf(keyOf(i)), i);
    assert(table.copyKey(i, found).equals(keyOf(i)));
  }
  assert.equal(table.numberOf(keyOf(5000)), -1);
  assert.equal(table.has(keyOf(5000)), false);
});

test("a key may lie anywhere in a buffer, and be text", () => {
  const table = new DigestTable();
  const texts = Array.from({ length: 300 }, (_, i) => `0000000000000000000000000000${String(i).padStart(4, "0")}`);
  texts.forEach((text, i) => assert.equal(table.add(Buffer.from(`xyz${text}`), 3), i));
  texts.forEach((text, i) => assert.equal(table.numberOf(Buffer.from(text)), i));
});
