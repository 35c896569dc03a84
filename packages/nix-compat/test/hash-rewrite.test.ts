/* Hash parts are replaced wherever they are in a stream, however it is cut. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, byteStringOf, collectBytes } from "@firn/base";
import { replaceHashParts } from "@firn/nix-compat";
import fc from "fast-check";

const ONE = "1".repeat(32);
const TWO = "2".repeat(32);
const REPLACEMENTS = new Map([
  [ONE, "a".repeat(32)],
  [TWO, "b".repeat(32)],
]);

async function* cut(text: string, at: readonly number[]) {
  let from = 0;
  for (const to of [...at, text.length].sort((left, right) => left - right)) {
    yield bytesOf(text.slice(from, to));
    from = to;
  }
}

test("every occurrence is replaced and told, whatever the chunks are", async () => {
  const piece = fc.oneof(fc.constantFrom(ONE, TWO, "1".repeat(31), "2".repeat(5)), fc.string({ unit: "binary-ascii" }));
  const property = fc.asyncProperty(fc.array(piece), fc.array(fc.nat(400)), async (pieces, cuts) => {
    const text = pieces.join("-");
    const found: number[] = [];
    const within = cuts.map((at) => Math.min(at, text.length));
    const stream = replaceHashParts(cut(text, within), REPLACEMENTS, (at) => void found.push(at));
    const replaced = byteStringOf(await collectBytes(stream, 1 << 20, () => new Error("too long")));
    let expected = text;
    for (const [from, to] of REPLACEMENTS) expected = expected.replaceAll(from, to);
    assert.equal(replaced, expected);
    const places = Array.from(text.matchAll(new RegExp(`${ONE}|${TWO}`, "g")), ({ index }) => index);
    assert.deepEqual(
      found.toSorted((left, right) => left - right),
      places,
    );
  });
  await fc.assert(property, { numRuns: 300, verbose: 1 });
});
