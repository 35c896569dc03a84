/* Where words go, as which bytes, and when in colour. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Output } from "../src/output.ts";
import { captured } from "./fake-session.ts";

describe("output", () => {
  test("a byte string leaves as its bytes, text as UTF-8", async () => {
    const chunks: number[] = [];
    const stdout = { isTerminal: false, columns: 80, write: async (bytes: Uint8Array) => void chunks.push(...bytes) };
    const output = new Output(stdout, captured(), { noColor: false });
    await output.byteString("\xff\x00");
    await output.line("é");
    assert.deepEqual(chunks, [255, 0, 0xc3, 0xa9, 10]);
  });

  const styles: readonly [isTerminal: boolean, noColor: boolean, expected: string][] = [
    [true, false, "\x1b[31mx\x1b[0m"],
    [true, true, "x"],
    [false, false, "x"],
  ];
  for (const [isTerminal, noColor, expected] of styles) {
    test(`${isTerminal ? "a terminal" : "a pipe"}${noColor ? " without colours" : ""} gets ${JSON.stringify(expected)}`, () => {
      const output = new Output(captured(), captured(isTerminal), { noColor });
      assert.equal(output.styled(output.stderr, "red", "x"), expected);
    });
  }

  test("a note that is true twice is said once", async () => {
    const stderr = captured();
    const output = new Output(captured(), stderr, { noColor: false });
    await output.noteOnce("so it is");
    await output.noteOnce("so it is");
    await output.warn("mind");
    assert.equal(stderr.text(), "so it is\nwarning: mind\n");
  });

  test("nobody reading stderr is no failure", async () => {
    const gone = { isTerminal: false, columns: 80, write: () => Promise.reject(new Error("EPIPE")) };
    await new Output(captured(), gone, { noColor: false }).note("x");
  });
});
