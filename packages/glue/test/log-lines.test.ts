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

test("of pieces that come fast only the last lines are handed on, and the tail is the same", () => {
  const lines = Array.from({ length: 200 }, (_, i) => `line ${i}`);
  const text = `${lines.join("\n")}\nbegun`;
  for (const cuts of [[], [700], [3, 4, 1500], [text.length - 1]]) {
    const seen: string[] = [];
    const all = new LogLines(() => {});
    const last = new LogLines((line) => void seen.push(line), true);
    let from = 0;
    for (const to of [...cuts, text.length]) {
      for (const log of [all, last]) log.push(bytesOf(text.slice(from, to)));
      from = to;
    }
    for (const log of [all, last]) log.end();
    assert.deepEqual(last.tail, all.tail);
    assert.equal(seen.at(-1), "begun");
    assert.ok(seen.length < 200);
  }
});
