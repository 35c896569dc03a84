import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf } from "@firn/base";
import { LINE_BYTES_MAX, LogLines, TAIL_LINES } from "../src/log-lines.ts";

function linesOf(...chunks: readonly string[]) {
  const lines: string[] = [];
  const log = new LogLines((line) => lines.push(line));
  for (const chunk of chunks) log.push(bytesOf(chunk));
  log.end();
  return { lines, tail: log.tail };
}

test("lines are put together from chunks, the last one needs no end", () => {
  assert.deepEqual(linesOf("a", "b\nc\r\n", "\n", "d").lines, ["ab", "c", "", "d"]);
  assert.deepEqual(linesOf("a\n").lines, ["a"]);
  assert.deepEqual(linesOf("").lines, []);
});

test("a line that never ends comes in pieces", () => {
  const long = "x".repeat(2 * LINE_BYTES_MAX + 5);
  for (const chunks of [[long], [long, "\n"], [long.slice(0, 100), long.slice(100)]]) {
    const { lines } = linesOf(...chunks);
    assert.equal(lines.join(""), long);
    assert.ok(lines.every((line) => line.length <= LINE_BYTES_MAX));
  }
});

test("the tail holds the last lines, cut", () => {
  const { tail } = linesOf(Array.from({ length: 40 }, (_, i) => `${i}\n`).join(""), "y".repeat(600));
  assert.equal(tail.length, TAIL_LINES);
  assert.equal(tail[0], "16");
  assert.equal(tail.at(-1), `${"y".repeat(512)}...`);
});
