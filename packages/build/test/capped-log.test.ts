import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, byteStringOf } from "@firn/base";
import { CappedLog } from "../src/capped-log.ts";
import { MemoryLogs } from "../src/memory-logs.ts";

function logOf(bytesMax?: number) {
  const logs = new MemoryLogs();
  const log = new CappedLog(logs.open("a"), bytesMax);
  return { log, text: async () => byteStringOf(Buffer.concat(await Array.fromAsync(chunks()))) };

  async function* chunks() {
    let at = 0;
    for (let bytes = await logs.read("a", at); bytes?.length; bytes = await logs.read("a", at)) {
      yield bytes;
      at += bytes.length;
    }
  }
}

test("what passes the cap is dropped, and one line says so", async () => {
  const { log, text } = logOf(5);
  for (const more of ["abc", "defg", "h", "i"]) log.append(bytesOf(more));
  assert.equal(await text(), "abcde\n[the log has more than 5 bytes, the rest was not kept]\n");
  assert.equal(log.length, (await text()).length);
});

test("a log of exactly the cap is whole", async () => {
  const { log, text } = logOf(3);
  log.append(bytesOf("abc"));
  assert.equal(await text(), "abc");
});

test("waiting ends at the next append and at the close", async () => {
  const { log } = logOf();
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
