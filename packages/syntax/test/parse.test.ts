/* The parser on tables and on noise: it ends, and never throws. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse, parseOrThrow } from "../src/parse.ts";
import { NESTING_MAX } from "../src/options.ts";
import { dump } from "./dump.ts";

const PIPES: readonly (readonly [string, string])[] = [
  ["a |> b |> c", "(|> (|> a b) c)"],
  ["a <| b <| c", "(<| a (<| b c))"],
  ["1 + 2 |> f x", "(|> (+ (int 1) (int 2)) (call f x))"],
  ["a -> b |> c", "(|> (-> a b) c)"],
  ["f <| (x: x |> g)", "(<| f (fn x (|> x g)))"],
];
for (const [source, tree] of PIPES) {
  test(`${source} is ${tree} with pipe operators on, and refused with them off`, () => {
    assert.equal(dump(parseOrThrow(source, { pipeOperators: true })), tree);
    assert.equal(parse(source).diagnostics[0].code, "feature");
  });
}

test("pipes of both directions do not mix", () => {
  assert.equal(parse("a |> b <| c", { pipeOperators: true }).diagnostics[0].code, "syntax");
});

for (const [name, source] of [
  ["lists", "[".repeat(NESTING_MAX + 10)],
  ["sets", "{a=".repeat(NESTING_MAX + 10)],
  ["parentheses", "(".repeat(NESTING_MAX + 10)],
  ["functions", "x:".repeat(NESTING_MAX + 10)],
  ["interpolations", '"${'.repeat(NESTING_MAX + 10)],
  ["negations", `${"!".repeat(NESTING_MAX + 10)}x`],
  ["signs", `${"- ".repeat(NESTING_MAX + 10)}x`],
  ["fallbacks", `a${".b or a".repeat(NESTING_MAX + 10)}`],
  ["right operators", `a${" ++ a".repeat(NESTING_MAX + 10)}`],
] as const) {
  test(`${name} nested deeper than the limit end in a diagnostic or a tree`, () => {
    const { diagnostics } = parse(source);
    for (const { code } of diagnostics) assert.ok(code === "limit" || code === "syntax", code);
  });
}

const words = [
  ..."a b or let in rec with inherit if then else assert { } ( ) [ ] ; : , . = @ ? ... == != < > <= >= && || -> // ++ + - * / !".split(
    " ",
  ),
  ...[
    '"',
    "''",
    "${",
    "}",
    "$",
    "\\",
    "''$",
    "''\\",
    "./",
    "/a",
    "<b>",
    "~/",
    "1",
    "2.5",
    "x:y",
    "#",
    "/*",
    "*/",
    "\n",
    "\r",
    " ",
    "|>",
    "<|",
    "é",
  ],
];

test("any sequence of tokens is parsed without a throw, with diagnostics inside the source", () => {
  const source = fc.array(fc.constantFrom(...words), { maxLength: 60 }).map((parts) => parts.join(" "));
  const tight = fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((parts) => parts.join(""));
  const bytes = fc.uint8Array({ maxLength: 80 }).map((array) => String.fromCharCode(...array));
  fc.assert(
    fc.property(fc.oneof(source, tight, bytes), (text) => {
      for (const { from, to } of parse(text, { pipeOperators: true }).diagnostics) {
        assert.ok(0 <= from && from <= to && to <= text.length, `${from} to ${to} of ${text.length}`);
      }
    }),
    { numRuns: 3000, verbose: true },
  );
});
