import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringOfText } from "@firn/base";
import fc from "fast-check";
import { Attrs } from "../src/attrs.ts";
import { formatJsonFloat, jsonToValue, valueToJson } from "../src/builtins/json.ts";
import { StringContext } from "../src/context.ts";
import { EvalError, type EvalErrorCode } from "../src/error.ts";
import { lazily } from "../src/machine.ts";
import { type Lazy, NixFloat, PathValue, StringWithContext } from "../src/value.ts";
import { enterTestEvaluation } from "./test-io.ts";

function toJson(value: Lazy): string {
  enterTestEvaluation();
  return valueToJson(value, { strict: true }).text;
}

function refused(code: EvalErrorCode, message: RegExp, work: () => unknown): void {
  assert.throws(
    work,
    (thrown: unknown) => thrown instanceof EvalError && thrown.code === code && message.test(thrown.message),
  );
}

test("numbers stay integers or floats and keep 64 bits", () => {
  const table: [string, Lazy][] = [
    ["0", 0],
    ["-0", 0],
    ["9007199254740993", 9007199254740993n],
    ["9223372036854775807", 9223372036854775807n],
    ["-9223372036854775808", -9223372036854775808n],
    ["18446744073709551616", new NixFloat(2 ** 64)],
    ["-9223372036854775809", new NixFloat(-(2 ** 63))],
    ["1.0", new NixFloat(1)],
    ["1e3", new NixFloat(1000)],
    ["-2.5E-1", new NixFloat(-0.25)],
  ];
  for (const [text, value] of table) assert.deepEqual(jsonToValue(text), value, text);
  assert.ok(Object.is(jsonToValue("-0"), 0));
  refused("invalid-value", /outside of Nix integer range/, () => jsonToValue("9223372036854775808"));
  refused("invalid-value", /number overflow/, () => jsonToValue("1e999"));
});

test("strings become UTF-8 bytes", () => {
  assert.equal(jsonToValue('"\\u00e4\\ud83d\\ude00\\n\\/"'), byteStringOfText("ä😀\n/"));
  assert.equal(jsonToValue(byteStringOfText('"ä\\t"')), byteStringOfText("ä\t"));
  for (const text of ['"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"', '"\xff"', '"\\x"', '"a', '"\n"', '"\\u00"']) {
    refused("invalid-value", /parse error in JSON/, () => jsonToValue(text));
  }
  refused("invalid-value", /null bytes/, () => jsonToValue('"\\u0000"'));
});

test("of two equal names the last wins", () => {
  assert.deepEqual(
    jsonToValue(' { "b" : [ 1 , [] , {} ] , "a" : 1 , "a" : 2 } '),
    Attrs.fromEntries([
      ["a", 2],
      ["b", [1, [], Attrs.EMPTY]],
    ]),
  );
});

test("errors name line and column", () => {
  refused("invalid-value", /line 2, column 4: expected ',' or '\]'/, () => jsonToValue("[1,\n 2 3]"));
  for (const text of [
    "",
    "[",
    "[1,]",
    "{",
    '{"a"}',
    '{"a":1,}',
    "{a:1}",
    "01",
    "1.",
    "+1",
    "nul",
    "1 2",
    "[1}",
    "-",
    "'a'",
    "\xef\xbb",
  ]) {
    refused("invalid-value", /parse error in JSON/, () => jsonToValue(text));
  }
});

test("depth costs no stack and has a limit", () => {
  assert.ok(Array.isArray(jsonToValue("[".repeat(9000) + "]".repeat(9000))));
  refused("limit", /nests deeper/, () => jsonToValue("[".repeat(20_000)));
});

test("any JSON reads as JSON.parse reads it, and is written back the same", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (json) => {
      const text = JSON.stringify(json);
      fc.pre(
        !text.includes("\\u0000") &&
          !text.includes("__toString") &&
          !text.includes("outPath") &&
          !/\\ud[89a-f]/.test(text) &&
          // Integers between 2^63 and 2^64 are refused, as C++ Nix refuses them.
          !/[0-9]{19}/.test(text),
      );
      const value = jsonToValue(byteStringOfText(text));
      const again = toJson(value);
      assert.deepEqual(jsonToValue(again), value);
      assert.equal(
        JSON.stringify(sorted(JSON.parse(new TextDecoder().decode(Buffer.from(again, "latin1"))))),
        JSON.stringify(sorted(json)),
      );
    }),
  );
});

function sorted(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(sorted);
  if (typeof json !== "object" || json === null) return Object.is(json, -0) ? 0 : json;
  return Object.fromEntries(
    Object.entries(json)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, sorted(value)]),
  );
}

test("floats are written shortest, with a point or an exponent", () => {
  const table: [number, string][] = [
    [1, "1.0"],
    [-1.5, "-1.5"],
    [0.1, "0.1"],
    [100000000000000, "100000000000000.0"],
    [1e15, "1e+15"],
    [1.25e22, "1.25e+22"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [123456.789, "123456.789"],
    [-0, "-0.0"],
    [Number.NaN, "null"],
  ];
  for (const [value, text] of table) assert.equal(formatJsonFloat(value), text);
});

test("sets print by __toString, then by outPath, then by name", () => {
  const path = new PathValue({ label: "" }, "/src/file");
  const value = Attrs.fromEntries([
    ["b", [true, null, 'a"\\\x01\x7f']],
    [
      "a",
      Attrs.fromEntries([
        ["outPath", 1],
        ["x", 2],
      ]),
    ],
    ["p", path],
  ]);
  assert.equal(
    toJson(value),
    '{"a":1,"b":[true,null,"a\\"\\\\\\u0001\x7f"],"p":"/nix/store/22222222222222222222222222222222-file"}',
  );
});

test("the context of everything inside is collected", () => {
  enterTestEvaluation();
  const context = StringContext.of(["/nix/store/11111111111111111111111111111111-x"]);
  assert.equal(valueToJson([new StringWithContext("a", context as StringContext)], { strict: true }).context, context);
});

test("thunks, functions and broken UTF-8 are refused", () => {
  refused("type", /cannot convert a thunk to JSON/, () => valueToJson([lazily(() => 1)], { strict: false }));
  assert.equal(toJson([lazily(() => 1)]), "[1]");
  refused("invalid-value", /invalid UTF-8 byte at index 2: 0xFF/, () => toJson("ab\xff"));
  refused("invalid-value", /invalid UTF-8 byte at index 1: 0x61/, () => toJson("\xe2a"));
  refused("invalid-value", /incomplete UTF-8 string; last byte: 0x82/, () => toJson("\xe2\x82"));
});
