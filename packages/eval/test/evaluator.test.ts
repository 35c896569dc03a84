/* Errors with their codes and places, laziness, limits and calls, on whole expressions. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { builtin } from "../src/builtins/definition.ts";
import { deepForce } from "../src/builtins/control.ts";
import { EvalError } from "../src/error.ts";
import { Evaluator, type EvaluatorOptions } from "../src/evaluator.ts";
import { force } from "../src/machine.ts";
import { printValue } from "../src/print.ts";
import { type Lazy, PathValue } from "../src/value.ts";
import { EMPTY_IO } from "./test-io.ts";

const ROOT = new PathValue(EMPTY_IO.rootTree, "/");

function evaluate(source: string, options: Partial<EvaluatorOptions> = {}): string {
  const evaluator = new Evaluator({ io: EMPTY_IO, ...options });
  return evaluator.run(() => printValue(deepForce(evaluator.evaluate(source, ROOT))));
}

/** The error, and its place as line:column. */
function failure(source: string, options: Partial<EvaluatorOptions> = {}): { error: EvalError; at: string } {
  const evaluator = new Evaluator({ io: EMPTY_IO, ...options });
  try {
    evaluator.run(() => deepForce(evaluator.evaluate(source, ROOT)));
  } catch (thrown) {
    assert.ok(thrown instanceof EvalError, String(thrown));
    const place = evaluator.positions.resolve(thrown.pos);
    return { error: thrown, at: place === undefined ? "" : `${place.line}:${place.column}` };
  }
  assert.fail(`${source} has a value`);
}

/** Source, code, part of the message, place where it matters. */
const ERRORS: readonly (readonly [string, string, RegExp, string?])[] = [
  ["x", "undefined-variable", /'x'/, "1:1"],
  ["{\n  a = y;\n}", "undefined-variable", /'y'/, "2:7"],
  ["with { }; x", "undefined-variable", /'x'/, "1:11"],
  ["{ ab = 1; }.ac", "missing-attribute", /'ac' missing/],
  ["{ a.b = 1; }.a.c", "missing-attribute", /'c' missing/],
  ["({ a, b }: a) { a = 1; }", "missing-argument", /'b'/],
  ["({ a }: a) { a = 1; c = 2; }", "unexpected-argument", /'c'/],
  ["({ a }: a) 1", "type", /set/],
  ["1 2", "type", /not a function/],
  ['1 + "a"', "type", /./],
  ['"a" + 1', "type", /./],
  ["[ ] ++ 1", "type", /list/],
  ["{ } // 1", "type", /set/],
  ["if 1 then 2 else 3", "type", /Boolean/],
  ["!1", "type", /Boolean/],
  ["1 && true", "type", /Boolean/],
  ['-"a"', "type", /./],
  ['1 < "a"', "type", /./],
  ["(x: x) < 1", "type", /./],
  ['"${1}"', "type", /./],
  ["builtins.head 1", "type", /list/],
  ["1 / 0", "arithmetic", /zero/],
  ["1.0 / 0", "arithmetic", /zero/],
  ["builtins.div 1 0", "arithmetic", /zero/],
  ["9223372036854775807 + 1", "arithmetic", /overflow/],
  ["-9223372036854775807 - 2", "arithmetic", /overflow/],
  ["9223372036854775807 * 2", "arithmetic", /overflow/],
  ["(-9223372036854775807 - 1) / -1", "arithmetic", /overflow/],
  ["-(-9223372036854775807 - 1)", "arithmetic", /overflow/],
  ["assert 1 == 2; 3", "assert", /value '1' is not equal to an integer with value '2'/],
  ['throw "no"', "throw", /no/],
  ['abort "no"', "abort", /no/],
  ['builtins.tryEval (abort "no")', "abort", /no/],
  ["builtins.tryEval (1 + null)", "type", /./],
  ["builtins.tryEval { }.a", "missing-attribute", /'a'/],
  ["let x = x; in x", "infinite-recursion", /infinite recursion/],
  ["let a = b; b = a + 1; in a", "infinite-recursion", /infinite recursion/],
  ["rec { a = a; }.a", "infinite-recursion", /infinite recursion/],
  ["let x = { y = x.y; }; in x.y", "infinite-recursion", /infinite recursion/],
  ["let f = n: f (n + 1); in f 0", "stack-overflow", /max-call-depth/],
  ["let s = { __functor = self: self; }; in s 1", "stack-overflow", /max-call-depth/],
  ["builtins.elemAt [ 1 ] 1", "invalid-value", /index 1 on a list of size 1/],
  ["builtins.head [ ]", "invalid-value", /empty/],
  ["builtins.genList (x: x) (-1)", "invalid-value", /-1/],
  ['{ ${"a"} = 1; ${"a" + ""} = 2; }', "duplicate-attribute", /'a'/],
  ["{ ${1} = 1; }", "type", /./],
  ["{ a = 1", "syntax", /unexpected end of file/],
  ["builtins.genericClosure { startSet = [ { } ]; operator = x: [ ]; }", "missing-attribute", /key/],
];
for (const [source, code, message, place] of ERRORS) {
  test(`${source.replaceAll("\n", " ")} ends in ${code}`, () => {
    const { error, at } = failure(source, { callDepthMax: 500 });
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    if (place !== undefined) assert.equal(at, place);
  });
}

test("an error has the line, column and excerpt of its place", () => {
  const evaluator = new Evaluator({ io: EMPTY_IO });
  const source = "let\n  a = 1;\nin a.b or (a + null)";
  try {
    evaluator.run(() => evaluator.evaluate(source, ROOT, "/dir/file.nix"));
    assert.fail("it has a value");
  } catch (thrown) {
    assert.ok(thrown instanceof EvalError);
    assert.match(evaluator.positions.describe(thrown.pos) ?? "", /^\/dir\/file\.nix:3:1\d$/);
    assert.match(evaluator.positions.excerpt(thrown.pos) ?? "", /3\| in a\.b or \(a \+ null\)\n +\| +\^/);
  }
});

/** Expressions and what they print as. */
const VALUES: readonly (readonly [string, string, string])[] = [
  [
    "an error asked for twice is the same error",
    'let t = throw "x"; s = builtins.tryEval t; in [ s (builtins.tryEval t) ]',
    "[ { success = false; value = false; } { success = false; value = false; } ]",
  ],
  [
    "a caught error leaves no recursion behind",
    'let t = throw "x"; u = if (builtins.tryEval t).success then 1 else (builtins.tryEval t).value; in u',
    "false",
  ],
  [
    "an argument hides an earlier one of its name",
    "[ ((x: x: x) 1 2) ((x: y: x: [ x y ]) 1 2 3) ((a: b: a: b: [ a b ]) 1 2 3 4) ]",
    "[ 2 [ 3 2 ] [ 3 4 ] ]",
  ],
  [
    "functions take their arguments in any portions",
    "let f = a: b: c: [ a b c ]; g = f 1; h = g 2; in [ (f 1 2 3) (g 2 3) (h 3) (h 4) (map h [ 5 ]) ]",
    "[ [ 1 2 3 ] [ 1 2 3 ] [ 1 2 3 ] [ 1 2 4 ] [ [ 1 2 5 ] ] ]",
  ],
  [
    "a function may give a function for what is left",
    "let f = a: if a == 1 then (b: c: b + c) else (b: b); in [ (f 1 2 3) (f 2 5) ]",
    "[ 5 5 ]",
  ],
  [
    "a partial application keeps its frame apart",
    "let f = a: b: x: [ a b x ]; in map (f 1 2) [ 3 4 ]",
    "[ [ 1 2 3 ] [ 1 2 4 ] ]",
  ],
  ["builtins may be given too few arguments", "map (builtins.foldl' (a: b: a + b) 0) [ [ 1 2 ] [ 3 ] ]", "[ 3 3 ]"],
  ["overrides are seen by the other attributes", "rec { a = 1; b = a; __overrides = { a = 2; }; }.b", "2"],
  ["a default sees later formals", "({ a ? b + c, b ? 1, c ? b }: a) { }", "2"],
  ["a dynamic null name is left out", '{ ${null} = throw "x"; a = 1; }', "{ a = 1; }"],
];
for (const [name, source, printed] of VALUES) {
  test(name, () => {
    assert.equal(evaluate(source), printed);
  });
}

function counting(): { readonly options: Partial<EvaluatorOptions>; readonly count: () => number } {
  let calls = 0;
  const tick = builtin("tick", (value: Lazy) => {
    calls++;
    return force(value);
  });
  return { options: { builtins: [tick] }, count: () => calls };
}

for (const source of [
  "{ inherit (builtins.tick { a = 1; b = 2; }) a b; }",
  "let inherit (builtins.tick { a = 1; b = 2; }) a b; in { inherit a b; }",
  "rec { inherit (builtins.tick { a = 1; b = 2; }) a b; }",
  "let x = builtins.tick { a = 1; b = 2; }; in { inherit (x) a b; }",
  "(x: { inherit (x) a b; }) (builtins.tick { a = 1; b = 2; })",
]) {
  test(`${source} evaluates what it inherits from once`, () => {
    const { options, count } = counting();
    assert.equal(evaluate(source, options), "{ a = 1; b = 2; }");
    assert.equal(count(), 1);
  });
}

test("what nobody asks for is never evaluated", () => {
  const { options, count } = counting();
  assert.equal(
    evaluate("let x = builtins.tick 1; f = { a ? builtins.tick 2 }: 3; in f { a = builtins.tick 4; }", options),
    "3",
  );
  assert.equal(count(), 0);
});

test("a word set by another thread stops an endless evaluation", () => {
  const cancelWord = new Int32Array(new SharedArrayBuffer(4));
  Atomics.store(cancelWord, 0, 1);
  const endless = "builtins.foldl' (a: b: a) 0 (builtins.genList (x: (y: y) x) 100000)";
  assert.equal(failure(endless, { cancelWord }).error.code, "cancelled");
});

test("an evaluator works on after an error, with its depth back", () => {
  const evaluator = new Evaluator({ io: EMPTY_IO, callDepthMax: 200 });
  for (let i = 0; i < 20; i++) {
    assert.throws(() => evaluator.run(() => evaluator.evaluate("let f = n: f (n + 1); in f 0", ROOT)), EvalError);
  }
  assert.equal(
    evaluator.run(() => evaluator.evaluate("let f = n: if n == 0 then 0 else f (n - 1); in f 150", ROOT)),
    0,
  );
});

test("caught errors give back the depth they had used", () => {
  const deep =
    'let f = n: if n == 0 then throw "x" else f (n - 1); in map (i: (builtins.tryEval (f 100)).success) (builtins.genList (x: x) 20)';
  assert.match(evaluate(deep, { callDepthMax: 200 }), /^\[ (false ){20}\]$/);
});

test("unsafeGetAttrPos and __curPos tell file, line and column, and null without a file", () => {
  const source =
    'let s = {\n  a = 1;\n}; in [ (builtins.unsafeGetAttrPos "a" s) __curPos (builtins.unsafeGetAttrPos "b" s) ]';
  const evaluator = new Evaluator({ io: { ...EMPTY_IO, kindOf: () => "regular", readFile: () => source } });
  const file = new PathValue(EMPTY_IO.rootTree, "/dir/file.nix");
  const place = (line: number, column: number) => `{ column = ${column}; file = "/dir/file.nix"; line = ${line}; }`;
  const printed = evaluator.run(() => printValue(deepForce(evaluator.importPath(file))));
  assert.equal(printed, `[ ${place(2, 3)} ${place(3, 43)} null ]`);
  assert.equal(evaluate(source), "[ null null null ]");
});
