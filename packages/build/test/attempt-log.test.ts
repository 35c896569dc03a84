import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, byteStringOf } from "@firn/base";
import { AttemptLog } from "../src/attempt-log.ts";

function textFrom(log: AttemptLog, from: number): string {
  let text = "";
  for (let bytes = log.read(from); bytes !== undefined; bytes = log.read(from + text.length))
    text += byteStringOf(bytes);
  return text;
}

test("reads from every offset, across chunks", () => {
  const log = new AttemptLog();
  for (const text of ["abc", "", "d", "efgh"]) log.append(bytesOf(text));
  for (let from = 0; from <= 9; from++) assert.equal(textFrom(log, from), "abcdefgh".slice(from));
});

test("what passes the cap is dropped, and one line says so", () => {
  const log = new AttemptLog(5);
  for (const text of ["abc", "defg", "h", "i"]) log.append(bytesOf(text));
  assert.equal(textFrom(log, 0), "abcde\n[the log has more than 5 bytes, the rest was not kept]\n");
  assert.equal(log.length, textFrom(log, 0).length);
});

test("a log of exactly the cap is whole", () => {
  const log = new AttemptLog(3);
  log.append(bytesOf("abc"));
  assert.equal(textFrom(log, 0), "abc");
});

test("waiting ends at the next append and at the close", async () => {
  const log = new AttemptLog();
  const appended = log.changed();
  log.append(bytesOf("a"));
  await appended;
  const closed = log.changed();
  log.close();
  await closed;
  assert.ok(log.closed);
  log.append(bytesOf("b"));
  assert.equal(log.length, 1);
});
