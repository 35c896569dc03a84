/*
What every LiveLogs must do, as tests.
*/

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bytesOf, byteStringOf } from "@firn/base";
import type { LiveLogs } from "@firn/build";

export function liveLogsContract(name: string, open: () => LiveLogs): void {
  const textFrom = async (logs: LiveLogs, id: string, from: number) => {
    let text = "";
    for (;;) {
      const bytes = await logs.read(id, from + text.length);
      assert.ok(bytes);
      if (bytes.length === 0) return text;
      text += byteStringOf(bytes);
    }
  };

  describe(`${name} keeps the contract of LiveLogs`, () => {
    test("a log is read from every offset while it grows and after it was closed", async () => {
      const logs = open();
      const log = logs.open("one");
      assert.equal(await textFrom(logs, "one", 0), "");
      for (const text of ["abc", "", "d", "efgh"]) log.append(bytesOf(text));
      assert.equal(log.length, 8);
      for (let from = 0; from <= 9; from++) assert.equal(await textFrom(logs, "one", from), "abcdefgh".slice(from));
      log.close();
      log.close();
      assert.equal(await textFrom(logs, "one", 2), "cdefgh");
    });

    test("what was appended is not changed by what its buffer is used for next, nor what was read", async () => {
      const logs = open();
      const log = logs.open("one");
      const buffer = Buffer.from("abc"); // whose slice shares its memory
      log.append(buffer);
      buffer.fill(0);
      const read = await logs.read("one", 0);
      read?.fill(0);
      assert.equal(await textFrom(logs, "one", 0), "abc");
      log.close();
    });

    test("a buffer is filled as far as it goes, where one is given", async () => {
      const logs = open();
      const log = logs.open("one");
      for (const text of ["abc", "defg"]) log.append(bytesOf(text));
      const buffer = new Uint8Array(2);
      let text = "";
      for (;;) {
        const bytes = await logs.read("one", text.length, buffer);
        if (!bytes?.length) break;
        assert.equal(bytes.buffer, buffer.buffer);
        text += byteStringOf(bytes);
      }
      assert.equal(text, "abcdefg");
      log.close();
    });

    test("logs are apart from each other, and one that was removed or never was is undefined", async () => {
      const logs = open();
      const [one, other] = [logs.open("one"), logs.open("other")];
      one.append(bytesOf("1"));
      other.append(bytesOf("22"));
      assert.deepEqual([await textFrom(logs, "one", 0), await textFrom(logs, "other", 0)], ["1", "22"]);
      await logs.remove("one");
      await logs.remove("never");
      assert.equal(await logs.read("one", 0), undefined);
      assert.equal(await logs.read("never", 0), undefined);
      one.append(bytesOf("more")); // a writer that was not told
      one.close();
      other.close();
      assert.equal(await textFrom(logs, "other", 1), "2");
    });

    test("a megabyte comes back whole", async () => {
      const logs = open();
      const log = logs.open("long");
      const piece = Uint8Array.from({ length: 65_536 }, (_, i) => i);
      for (let i = 0; i < 16; i++) log.append(piece);
      log.close();
      const text = await textFrom(logs, "long", 3);
      assert.equal(text.length, 16 * 65_536 - 3);
      assert.equal(text, byteStringOf(piece).repeat(16).slice(3));
    });
  });
}
