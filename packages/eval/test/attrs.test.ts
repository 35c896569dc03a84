/* Sets with shapes and layers against plain maps. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Attrs, update } from "../src/attrs.ts";
import type { Lazy } from "../src/value.ts";

const name = fc.integer({ min: 0, max: 120 }).map((n) => `n${n}`);
const small = fc.dictionary(name, fc.integer(), { maxKeys: 6 });
const big = fc.dictionary(name, fc.integer(), { maxKeys: 100, size: "max" });

function attrsOf(entries: Record<string, number>): Attrs {
  return Attrs.fromMap(new Map<string, Lazy>(Object.entries(entries)));
}

function expectSame(attrs: Attrs, twin: ReadonlyMap<string, number>): void {
  for (let n = 0; n <= 121; n++) {
    assert.equal(attrs.get(`n${n}`), twin.get(`n${n}`));
    assert.equal(attrs.has(`n${n}`), twin.has(`n${n}`));
  }
}

test("any chain of updates holds what a map would, layered and flattened", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(small, big), { minLength: 1, maxLength: 12 }), fc.boolean(), (chain, leftFirst) => {
      const twin = new Map<string, number>();
      for (const part of chain) for (const [key, value] of Object.entries(part)) twin.set(key, value);
      const parts = chain.map(attrsOf);
      const whole = leftFirst ? parts.reduce(update) : parts.reduceRight((right, left) => update(left, right));
      expectSame(whole, twin);
      assert.equal(whole.size, twin.size);
      assert.deepEqual([...whole.names], [...twin.keys()].sort());
      expectSame(whole, twin);
      // The sets that went in are what they were.
      chain.forEach((part, i) => {
        expectSame(parts[i], new Map(Object.entries(part)));
      });
    }),
    { verbose: true },
  );
});

test("of two entries with one name the first is kept", () => {
  const attrs = Attrs.fromEntries([
    ["b", 1],
    ["a", 2],
    ["b", 3],
  ]);
  assert.deepEqual([...attrs.names], ["a", "b"]);
  assert.equal(attrs.get("b"), 1);
});

test("selecting entries keeps their values", () => {
  const attrs = attrsOf({ n1: 1, n2: 2, n3: 3 });
  expectSame(Attrs.select(attrs, [0, 2]), new Map([["n1", 1], ["n3", 3]])); // biome-ignore format: short
  assert.equal(Attrs.select(attrs, []).size, 0);
});
