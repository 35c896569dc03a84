import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { byteStringOf } from "@firn/base";
import {
  causesOfContents,
  causesOfRange,
  type Circumstances,
  type Window,
  WINDOW_BYTES,
} from "../src/difference-causes.ts";

const LEFT: Circumstances = {
  startedAtMs: Date.UTC(2026, 6, 1, 10, 0, 0),
  endedAtMs: Date.UTC(2026, 6, 1, 10, 0, 5),
  buildDirectory: "/build",
  cores: 4,
};
const RIGHT: Circumstances = {
  startedAtMs: Date.UTC(2026, 6, 1, 10, 2, 0),
  endedAtMs: Date.UTC(2026, 6, 1, 10, 2, 5),
  buildDirectory: "/build-check",
  cores: 1,
};

/** The windows around the one range two texts differ in. */
function windows(left: string, right: string): [Window, Window] {
  let from = 0;
  while (from < left.length && left[from] === right[from]) from++;
  let after = 0;
  while (after < Math.min(left.length, right.length) - from && left.at(-1 - after) === right.at(-1 - after)) after++;
  const cut = (text: string): Window => {
    const start = Math.max(0, from - WINDOW_BYTES);
    const to = text.length - after;
    return { text: text.slice(start, to + WINDOW_BYTES), from: from - start, to: to - start };
  };
  return [cut(left), cut(right)];
}

function causes(left: string, right: string): string[] {
  const [a, b] = windows(left, right);
  return [...causesOfRange(a, b, { left: LEFT, right: RIGHT }, left.slice(0, 16))];
}

const seconds = (ms: number) => Math.floor(ms / 1000);
const little = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return byteStringOf(bytes);
};

const RANGES: readonly (readonly [string, string, string, readonly string[]])[] = [
  ["an ISO date", "made 2026-07-01T10:00:03Z.", "made 2026-07-01T10:02:03Z.", ["timestamp"]],
  ["__DATE__ and __TIME__", "Jul  1 2026 10:00:01", "Jul  1 2026 10:02:04", ["timestamp"]],
  ["seconds since 1970", `t=${seconds(LEFT.startedAtMs) + 1};`, `t=${seconds(RIGHT.startedAtMs) + 2};`, ["timestamp"]],
  [
    "a time in binary",
    `\x01\x02${little(seconds(LEFT.startedAtMs) + 3)}\x08`,
    `\x01\x02${little(seconds(RIGHT.startedAtMs) + 4)}\x08`,
    ["timestamp"],
  ],
  ["the build directory", "file /build/source/a.c line", "file /build-check/source/a.c line", ["build-path"]],
  ["the number of cores", "make -j4 all", "make -j1 all", ["cores"]],
  ["a decimal comma", "load 1.5 now", "load 1,5 now", ["locale"]],
  ["quotes of a language", "in \xe2\x80\x98x\xe2\x80\x99", "in 'x'", ["locale"]],
  ["a temporary name", "see /tmp/tmp.aXbYcZ9q/x", "see /tmp/tmp.q7TzPPw2/x", ["random"]],
  ["a number that is no time", "value 17 here", "value 23 here", []],
  ["numbers of other years", "id 1212121212;", "id 1313131313;", []],
];

for (const [what, left, right, expected] of RANGES) {
  test(`${what} is told as ${expected.join(", ") || "nothing"}`, () => {
    if (what === "numbers of other years") assert.ok(!causes(left, right).includes("timestamp"));
    else assert.deepEqual(causes(left, right), expected);
  });
}

test("the time in a gzip header is a timestamp", () => {
  const packed = (time: number) => {
    const bytes = gzipSync("snow");
    bytes.writeUInt32LE(time, 4);
    return byteStringOf(bytes);
  };
  assert.deepEqual(causes(packed(seconds(LEFT.startedAtMs)), packed(seconds(RIGHT.endedAtMs))), ["timestamp"]);
});

test("the same lines in another order are told, and whose order it is", () => {
  assert.deepEqual([...causesOfContents("b\na\nc\n", "a\nc\nb\n")], ["order"]);
  assert.deepEqual([...causesOfContents("B\nC\na\nd\n", "a\nB\nC\nd\n")], ["order", "locale"]);
  assert.deepEqual([...causesOfContents("a\0b\0c", "c\0b\0a")], ["order"]);
  assert.deepEqual([...causesOfContents("a\nb\nc\n", "a\nb\nd\n")], []);
});
