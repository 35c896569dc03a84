import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mergeSort } from "../src/builtins/merge-sort.ts";

test("equal items keep their order", () => {
  const numbers = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 200 });
  fc.assert(
    fc.property(numbers, (keys) => {
      // The key is the tens, the place the rest.
      const items = keys.map((key, place) => key * 1000 + place);
      const sorted = mergeSort(items, (a, b) => Math.floor((a as number) / 1000) < Math.floor((b as number) / 1000));
      assert.deepEqual(
        sorted,
        [...items].sort((a, b) => a - b),
      );
    }),
    { verbose: true },
  );
});

test("an inconsistent order still gives every item once", () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { maxLength: 100 }), fc.infiniteStream(fc.boolean()), (items, answers) => {
      const sorted = mergeSort(items, () => answers.next().value as boolean) as number[];
      assert.deepEqual([...sorted].sort(), [...items].sort());
    }),
    { verbose: true },
  );
});

test("what the order throws comes out", () => {
  assert.throws(() => mergeSort([2, 1], () => assert.fail("no order")), /no order/);
});
