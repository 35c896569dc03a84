/*
A function written in JavaScript that a program cannot tell from one of the language: it has formals, prints as a lambda, and is called like
one. For what C++ Nix writes in Nix and a builtin would show to be something else.
*/

import { defineOperation, Instruction } from "./instruction.ts";
import { intern } from "./intern.ts";
import { LambdaCode } from "./lambda.ts";
import { CONST } from "./ops-basic.ts";
import type { Attrs } from "./attrs.ts";
import { Closure, type Value } from "./value.ts";

const NATIVE_BODY = defineOperation(
  "native-body",
  [["cache", "function"]],
  "The body of a function written in JavaScript: gets the whole argument, which is in slot 1.",
  (i, env) => (i.a as (args: Attrs) => Value)(env[1]),
);

/** `argument@{ name ? default, … ... }: fn argument`; formals are in byte order. */
export function nativeFunction(
  argument: string,
  formals: readonly (readonly [name: string, fallback: Value])[],
  fn: (args: Attrs) => Value,
): Closure {
  const code = new LambdaCode({
    arity: 1,
    formals: formals.map(([name, value]) => ({
      name: intern(name),
      pos: 0,
      fallback: new Instruction(CONST, 0, value),
    })),
    ellipsis: true,
    named: true,
    body: new Instruction(NATIVE_BODY, 0, fn),
    pos: 0,
    innerPositions: [],
    name: "",
    argNames: [argument],
  });
  return new Closure(code, [null]);
}
