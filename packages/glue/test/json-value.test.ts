import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringOfText, textOf } from "@firn/base";
import fc from "fast-check";
import { GlueError } from "../src/error.ts";
import { JSON_DEPTH_MAX, parseJson, printJson } from "../src/json-value.ts";

const again = (text: string) => textOf(printJson(parseJson(byteStringOfText(text), "it")));

test("whatever JSON.stringify writes reads back as the same value", () => {
  const seed = 20261122;
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.deepEqual(JSON.parse(again(JSON.stringify(value))), JSON.parse(JSON.stringify(value)), `seed ${seed}`);
    }),
    { seed },
  );
});

test("values are printed as Nix's JSON library prints them", () => {
  const cases: readonly (readonly [string, string])[] = [
    [' { "b" : 1 , "a" : [ ] , "a" : { } } ', '{"a":{},"b":1}'],
    ['{"10":1,"9":2,"__proto__":3}', '{"10":1,"9":2,"__proto__":3}'],
    ["[-0, 9007199254740993, 18446744073709551615]", "[0,9007199254740993,18446744073709551615]"],
    ["[18446744073709551616, -9223372036854775809]", "[1.8446744073709552e+19,-9.223372036854776e+18]"],
    [
      "[1.0, -0.0, 0.1, 1e2, 1.5e-7, 123456789012345.0, 1e15, 1e16, 0.0001, 0.00001]",
      "[1.0,-0.0,0.1,100.0,1.5e-07,123456789012345.0,1e+15,1e+16,0.0001,1e-05]",
    ],
    ['"\\u00e9\\ud83d\\ude00\\/\\u007f\\u0000\\b"', '"é😀/\x7f\\u0000\\b"'],
    ['"é€😀"', '"é€😀"'],
    ["[true,false,null]", "[true,false,null]"],
  ];
  for (const [text, printed] of cases) assert.equal(again(text), printed);
});

test("what is not JSON is refused with the place", () => {
  const bad = [
    "",
    "{",
    "[1,]",
    "{1:2}",
    '{"a"}',
    "01",
    "1.",
    "+1",
    "tru",
    '"\n"',
    '"\\x"',
    '"\\ud800"',
    '"\\udc00"',
    '"\\u12g4"',
    "1 2",
    "1e999",
    '"',
    "[1}",
  ];
  for (const text of bad) {
    assert.throws(
      () => parseJson(text, "it"),
      (error) =>
        error instanceof GlueError && error.code === "invalid-derivation" && typeof error.context.offset === "number",
      JSON.stringify(text),
    );
  }
  assert.throws(() => parseJson('"\xe9"', "it"), { message: /not UTF-8/ });
  assert.throws(() => parseJson("[".repeat(100_000), "it"), { message: new RegExp(`deeper than ${JSON_DEPTH_MAX}`) });
});
