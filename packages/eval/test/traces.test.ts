/* The frames of errors: which there are, in which order, and what values in messages look like. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { deepForce } from "../src/builtins/control.ts";
import { EvalError } from "../src/error.ts";
import { Evaluator } from "../src/evaluator.ts";
import { showValue } from "../src/show-value.ts";
import { PathValue } from "../src/value.ts";
import { EMPTY_IO } from "./test-io.ts";

const ROOT = new PathValue(EMPTY_IO.rootTree, "/");

/** The message, then the frames from the outermost in, each with its column in a source of one line. */
function traceOf(source: string): string[] {
  const evaluator = new Evaluator({ io: EMPTY_IO });
  try {
    evaluator.run(() => deepForce(evaluator.evaluate(source, ROOT)));
  } catch (thrown) {
    assert.ok(thrown instanceof EvalError, String(thrown));
    const at = (pos: number) => evaluator.positions.resolve(pos)?.column ?? "-";
    const frames = thrown.trace.map(({ message, pos }) => `${message} @${at(pos)}`).reverse();
    return [...frames, thrown.message];
  }
  assert.fail(`${source} has a value`);
}

const TRACES: readonly (readonly [string, readonly string[]])[] = [
  [
    "builtins.length 1",
    [
      "while calling the 'length' builtin @1",
      "while evaluating the first argument passed to builtins.length @-",
      "expected a list but found an integer: 1",
    ],
  ],
  [
    "(a: b: c: a + c) 1 2 null",
    ["from call site @1", "while calling anonymous lambda @8", "cannot add null to an integer"],
  ],
  [
    "{ f = x: x.a.b; }.f { a = { }; }",
    ["from call site @1", "while calling 'f' @7", "while evaluating the attribute 'a.b' @23", "attribute 'b' missing"],
  ],
  ['"a" + { x = 1; }', ["while evaluating a path segment @7", "cannot coerce a set to a string: { x = 1; }"]],
  [
    "1 - null",
    [
      "while calling the 'sub' builtin @3",
      "while evaluating the second argument of the subtraction @-",
      "expected an integer but found null: null",
    ],
  ],
  ["if 1 then 2 else 3", ["while evaluating a branch condition @1", "expected a Boolean but found an integer: 1"]],
  ["{ } // 1", ["in the right operand of the update (//) operator @-", "expected a set but found an integer: 1"]],
  [
    "{ __functor = self: x: x + null; } 1",
    [
      "while calling a functor (an attribute set with a '__functor' attribute) @1",
      "from call site @3",
      "while calling '__functor' @21",
      "cannot add null to an integer",
    ],
  ],
  ['builtins.addErrorContext "note" (throw "x")', ["note @-", "while calling the 'throw' builtin @34", "x"]],
  [
    '[ 1 { a = throw "x"; } ]',
    [
      "while evaluating list element at index 1 @-",
      "while evaluating the attribute 'a' @7",
      "while calling the 'throw' builtin @11",
      "x",
    ],
  ],
  [
    "assert { a = [ 1 2 ]; } == { a = [ 1 3 ]; }; 1",
    [
      "while evaluating the condition of the assertion '({ a = [ (1) (2) ]; } == { a = [ (1) (3) ]; })' @1",
      "while comparing attribute 'a' @-",
      "where left hand side is @10",
      "where right hand side is @30",
      "while comparing list element 1 @-",
      "an integer with value '2' is not equal to an integer with value '3'",
    ],
  ],
];
for (const [source, expected] of TRACES) {
  test(`${source} says what led to its error, from the outside in`, () => assert.deepEqual(traceOf(source), expected));
}

test("an error that was caught is kept with the frames it had, and every force adds its own", () => {
  const source = `let a = throw "no"; b = builtins.addErrorContext "b" a; c = builtins.addErrorContext "c" a; in builtins.seq (builtins.tryEval b) c`;
  assert.deepEqual(traceOf(source), [
    `while calling the 'seq' builtin @${source.indexOf("builtins.seq") + 1}`,
    "c @-",
    "b @-",
    `while calling the 'throw' builtin @${source.indexOf("throw") + 1}`,
    "no",
  ]);
});

test("what failed is not computed again", () => {
  const traced: string[] = [];
  const io = { ...EMPTY_IO, log: (_: string, text: string) => void traced.push(text) };
  const evaluator = new Evaluator({ io });
  const source = `let x = builtins.trace "once" (throw "no"); t = (builtins.tryEval x).success; in t || (builtins.tryEval x).success`;
  assert.equal(
    evaluator.run(() => evaluator.evaluate(source, ROOT)),
    false,
  );
  assert.deepEqual(traced, ["once"]);
});

test("a name that is nearly there is suggested beside the message", () => {
  const evaluator = new Evaluator({ io: EMPTY_IO });
  assert.throws(
    () => evaluator.run(() => evaluator.evaluate("{ abc = 1; abd = 2; }.abe", ROOT)),
    (thrown: EvalError) => thrown.suggestion === "Did you mean one of abc or abd?",
  );
});

test("values in messages are cut short, with functions named by their place", () => {
  const evaluator = new Evaluator({ io: EMPTY_IO });
  const shown = (source: string) => evaluator.run(() => showValue(deepForce(evaluator.evaluate(source, ROOT))));
  assert.equal(
    shown("builtins.genList (x: x) 12"),
    "[ 0 1 2 3 4 5 6 7 8 9 «2 items elided» ]".replaceAll(/[«»]/g, bytes),
  );
  assert.equal(shown("{ b = 1; type = 2; }"), "{ type = 2; b = 1; }");
  assert.match(shown("let f = a: b: a; in f 1"), /lambda f @ .*:1:12/);
  assert.equal(shown("builtins.length"), "«primop length»".replaceAll(/[«»]/g, bytes));
});

function bytes(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
