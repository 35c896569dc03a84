import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf } from "@firn/base";
import fc from "fast-check";
import { ReferenceScanner } from "../src/ref-scan.ts";

const hashA = "0c2wjz3bh1nmx9p5b5d3rqkz2l3s6qk7";
const hashB = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

function scan(needles: string[], ...chunks: string[]): number[] {
  const scanner = new ReferenceScanner(needles);
  const sink = scanner.file();
  for (const chunk of chunks) sink(bytesOf(chunk));
  return scanner.found();
}

const table: [what: string, needles: string[], chunks: string[], found: number[]][] = [
  ["no needles", [], ["anything"], []],
  ["nothing in nothing", [hashA], [], []],
  ["one in the middle", [hashA], [`x/nix/store/${hashA}-name\n`], [0]],
  ["one at the very start and end", [hashA], [hashA], [0]],
  ["one byte short", [hashA], [hashA.slice(1)], []],
  ["one byte wrong", [hashA], [hashA.replace("z", "x")], []],
  ["order of needles, not of places", [hashA, hashB], [`${hashB} ${hashA}`], [0, 1]],
  ["across two chunks", [hashA], [`x${hashA.slice(0, 9)}`, `${hashA.slice(9)}x`], [0]],
  ["across many chunks", [hashA], [...`..${hashA}..`], [0]],
  ["across an empty chunk", [hashA], [hashA.slice(0, 5), "", hashA.slice(5)], [0]],
  ["after a near miss", [hashA], [hashA.slice(0, 31) + hashA], [0]],
  ["overlapping itself", ["aba"], ["ababa"], [0]],
  ["overlapping each other", ["abcd", "cdef"], ["abcdef"], [0, 1]],
  ["within each other", ["abcdef", "cde", "d"], ["abcdef"], [0, 1, 2]],
  ["in a run of the alphabet", [hashB, `${"z".repeat(31)}y`], [`${"z".repeat(40)}y`], [0, 1]],
  ["bytes above 127 and NUL", ["\xff\0\x80\xfe\xff"], ["\xff\0\x80", "\xfe\xff"], [0]],
  ["the same needle twice", ["ab", "ab"], ["ab"], [0, 1]],
];

for (const [what, needles, chunks, found] of table) {
  test(`finds ${what}`, () => assert.deepEqual(scan(needles, ...chunks), found));
}

test("files are scanned each on its own, symlink targets too", () => {
  const scanner = new ReferenceScanner([hashA, hashB]);
  const [first, second] = [scanner.file(), scanner.file()];
  first(bytesOf(hashA.slice(0, 16)));
  second(bytesOf(hashA.slice(16)));
  assert.deepEqual(scanner.found(), []);
  first(bytesOf(hashA.slice(16)));
  assert.deepEqual(scanner.found(), [0]);
  scanner.symlink(`/nix/store/${hashB}-x`);
  assert.deepEqual(scanner.found(), [0, 1]);
});

test("buffers may be used again once the sink returned", () => {
  const scanner = new ReferenceScanner([hashA]);
  const sink = scanner.file();
  const buffer = new Uint8Array(8);
  for (let at = 0; at < hashA.length; at += 8) {
    buffer.set(bytesOf(hashA.slice(at, at + 8)));
    sink(buffer);
  }
  assert.deepEqual(scanner.found(), [0]);
});

test("agrees with a plain search for any needles, text and chunks", () => {
  const letter = fc.constantFrom("a", "b", "c", "\xff");
  const word = (maxLength: number, minLength = 0) =>
    fc.array(letter, { maxLength, minLength }).map((letters) => letters.join(""));
  fc.assert(
    fc.property(fc.array(word(6, 1), { maxLength: 8 }), fc.array(word(9), { maxLength: 8 }), (needles, chunks) => {
      const text = chunks.join("");
      const expected = needles.flatMap((needle, index) => (text.includes(needle) ? [index] : []));
      assert.deepEqual(scan(needles, ...chunks), expected);
    }),
    { numRuns: 2000, verbose: true },
  );
});
