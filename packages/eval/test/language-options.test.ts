/* What settings and experimental features switch: dates in TOML, BLAKE3, verbose traces, warnings that end the evaluation. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { deepForce } from "../src/builtins/control.ts";
import { EvalError } from "../src/error.ts";
import { Evaluator } from "../src/evaluator.ts";
import type { LanguageOptions } from "../src/language-options.ts";
import { printValue } from "../src/print.ts";
import { PathValue } from "../src/value.ts";
import { EMPTY_IO } from "./test-io.ts";

/** The value as text, with what was logged before it. */
function run(source: string, language: LanguageOptions = {}): { readonly value: string; readonly log: string[] } {
  const log: string[] = [];
  const io = { ...EMPTY_IO, log: (_: string, text: string) => void log.push(text) };
  const evaluator = new Evaluator({ io, language });
  const root = new PathValue(io.rootTree, "/");
  return { value: evaluator.run(() => printValue(deepForce(evaluator.evaluate(source, root)))), log };
}

function toml(text: string): string {
  return run(`(builtins.fromTOML ''${text}'').x`, { tomlTimestamps: true }).value;
}

/** TOML, and the text of the timestamp. */
const TIMESTAMPS: readonly (readonly [string, string])[] = [
  ["1979-05-27", "1979-05-27"],
  ["07:32:00", "07:32:00"],
  ["07:32:00.1", "07:32:00.100"],
  ["07:32:00.0", "07:32:00"],
  ["1979-05-27 07:32:00.12345", "1979-05-27T07:32:00.123450"],
  ["1979-05-27t07:32:00.123456789", "1979-05-27T07:32:00.123456789"],
  ["1979-05-27T07:32:00.1234567894321", "1979-05-27T07:32:00.123456789"],
  ["1979-05-27T07:32:00Z", "1979-05-27T07:32:00Z"],
  ["1979-05-27T07:32:00z", "1979-05-27T07:32:00Z"],
  ["1979-05-27T07:32:00+00:00", "1979-05-27T07:32:00Z"],
  ["1979-05-27T07:32:00.999999-07:30", "1979-05-27T07:32:00.999999-07:30"],
];

test("dates and times are sets with their text, to the nanosecond", () => {
  for (const [text, shown] of TIMESTAMPS)
    assert.equal(toml(`x = ${text}`), `{ _type = "timestamp"; value = "${shown}"; }`, text);
  assert.equal(toml("x = [ { 1979-05-27 = 1 } ]"), '[ { "1979-05-27" = 1; } ]');
});

test("only digits of times are cut", () => {
  const long = "00:00:00.1234567891";
  assert.equal(toml(`x = "${long}\\"" # ${long}`), `"${long}\\""`);
  assert.equal(toml(`x = """a "${long}" """`), `"a \\"${long}\\" "`);
  assert.equal(toml(`x = 'it\\' # ' ${long}`), '"it\\\\"');
});

test("what is no date is refused, and every date without the feature", () => {
  const refused = (work: () => unknown, message: RegExp) =>
    assert.throws(work, (thrown: unknown) => thrown instanceof EvalError && message.test(thrown.message));
  refused(() => toml("x = 1979-13-01"), /while parsing TOML/);
  refused(() => toml("x = 25:00:00"), /while parsing TOML/);
  refused(() => run("builtins.fromTOML ''x = 1979-05-27''"), /Dates and times are not supported/);
});

test("BLAKE3 needs its feature", () => {
  const source = 'builtins.hashString "blake3" ""';
  assert.match(run(source, { blake3Hashes: true }).value, /^"af1349b9f5f9a1a6a0404dea36dcc949/);
  assert.throws(() => run(source), /experimental Nix feature 'blake3-hashes' is disabled/);
});

test("traceVerbose traces when it is told to", () => {
  const source = 'builtins.traceVerbose "seen" 1';
  assert.deepEqual(run(source), { value: "1", log: [] });
  assert.deepEqual(run(source, { traceVerbose: true }), { value: "1", log: ["seen"] });
});

test("a warning ends the evaluation when it is told to, after it was shown, and is not caught", () => {
  const source = 'builtins.tryEval (builtins.warn "odd" 1)';
  assert.deepEqual(run(source).log, ["odd"]);
  assert.throws(() => run(source, { abortOnWarn: true }), /aborting to reveal stack trace of warning/);
});
