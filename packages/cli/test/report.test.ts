/* What the user reads of an error, and the exit code. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BuildFailed, CliError, Interrupted } from "../src/error.ts";
import { EvalFailure } from "../src/evaluator/host.ts";
import { reportOf } from "../src/report.ts";

const errno = (code: string) =>
  Object.assign(new Error(`${code}: it is so, open 'x'`), { code, syscall: "open", errno: -1 });

describe("reports", () => {
  const cases: readonly [name: string, thrown: unknown, exitCode: number, text: string | undefined][] = [
    ["wrong usage", new CliError("usage", "no"), 2, "error: no"],
    ["an expected failure", new CliError("not-found", "gone"), 1, "error: gone"],
    ["a failed system call", errno("EACCES"), 1, "error: EACCES: it is so, open 'x'"],
    ["a reader that went away", errno("EPIPE"), 141, undefined],
    ["Ctrl-C", new Interrupted("SIGINT"), 130, "error: interrupted"],
    ["being terminated", new Interrupted("SIGTERM"), 143, "error: interrupted"],
    ["a failed build", new BuildFailed("builder failed", 102), 102, "error: builder failed"],
    [
      "an evaluation, whose message is complete",
      new EvalFailure({ code: "throw", summary: "x", message: "error: \xc3\xa9" }),
      1,
      "error: é",
    ],
  ];
  for (const [name, thrown, exitCode, text] of cases) {
    test(`${name} ends with ${exitCode}`, () => {
      assert.deepEqual({ exitCode, text }, { text: undefined, ...reportOf(thrown, false) });
    });
  }

  test("a bug says that it is one, without a stack", () => {
    const { text, exitCode } = reportOf(new TypeError("x is not a function"), false);
    assert.equal(exitCode, 1);
    assert.match(text ?? "", /^firn: internal error: x is not a function\nThis is a bug in Firn/);
    assert.doesNotMatch(text ?? "", /\n\s+at /);
  });

  test("stacks are shown to those who ask for them", () => {
    assert.match(reportOf(new TypeError("x"), true).text ?? "", /\n\s+at /);
    assert.match(reportOf(new CliError("not-found", "x"), true).text ?? "", /\n\s+at /);
  });
});
