/*
Operations on variables, constants, functions and control flow.
*/

import { Attrs } from "./attrs.ts";
import { EvalError, framed } from "./error.ts";
import { findDifference } from "./difference.ts";
import { defineOperation, type Instruction, OPERATIONS } from "./instruction.ts";
import type { LambdaCode } from "./lambda.ts";
import { call1, call2, callN, force, forceThunk } from "./machine.ts";
import { typeError } from "./type-name.ts";
import { Closure, type Env, type Lazy, Thunk, type Value } from "./value.ts";

export const CONST = defineOperation(
  "const",
  [["const", "value"]],
  "A value known when the code was made.",
  (i) => i.a,
  (i) => i.a,
);

export const GLOBAL = defineOperation(
  "global",
  [
    ["name", "name"],
    ["linked", "value"],
  ],
  "A variable of the outermost scope, such as `true` or `map`.",
  (i) => force(i.b),
  (i) => i.b,
  (i, place) => {
    i.b = place.globals.get(i.a);
  },
);

/** The slot's value; stores a forced value back, so that the thunk can be freed. */
function slotValue(env: Env, slot: number, i: Instruction): Value {
  const value = env[slot];
  if (value instanceof Thunk) {
    const forced = value.code === null ? value.env : forceThunk(value, i.pos);
    env[slot] = forced;
    return forced;
  }
  if (value === undefined) throw new EvalError("infinite-recursion", "infinite recursion encountered", i.pos);
  return value;
}

/** The slot as it is, or a thunk when its frame is still being filled. */
function slotLazy(env: Env, slot: number, i: Instruction, here: Env): Lazy {
  const value = env[slot];
  return value === undefined ? new Thunk(i, here) : value;
}

export const VAR_0 = defineOperation(
  "var-0",
  [["number", "slot"]],
  "A variable of the innermost frame.",
  (i, env) => slotValue(env, i.a, i),
  (i, env) => slotLazy(env, i.a, i, env),
);
export const VAR_1 = defineOperation(
  "var-1",
  [["number", "slot"]],
  "A variable one frame out.",
  (i, env) => slotValue(env[0], i.a, i),
  (i, env) => slotLazy(env[0], i.a, i, env),
);
export const VAR_2 = defineOperation(
  "var-2",
  [["number", "slot"]],
  "A variable two frames out.",
  (i, env) => slotValue(env[0][0], i.a, i),
  (i, env) => slotLazy(env[0][0], i.a, i, env),
);

export function frameAt(env: Env, depth: number): Env {
  let frame = env;
  for (let n = depth; n > 0; n--) frame = frame[0];
  return frame;
}

export const VAR_N = defineOperation(
  "var-n",
  [
    ["number", "slot"],
    ["number", "depth"],
  ],
  "A variable `depth` frames out.",
  (i, env) => slotValue(frameAt(env, i.b), i.a, i),
  (i, env) => slotLazy(frameAt(env, i.b), i.a, i, env),
);

export const WITH_VAR = defineOperation(
  "with-var",
  [
    ["name", "name"],
    ["numbers", "depths"],
    ["numbers", "bytes since each with"],
  ],
  "A variable that only `with` can give: asks the namespaces at these depths, innermost first.",
  (i, env) => {
    const depths: number[] = i.b;
    for (let n = 0; n < depths.length; n++) {
      const frame = frameAt(env, depths[n]);
      const namespace = slotValue(frame, 1, i);
      if (!(namespace instanceof Attrs)) {
        throw typeError("expected a set but found", namespace).within(
          "while evaluating the first subexpression of a with expression",
          i.pos - i.c[n],
        );
      }
      const value = namespace.get(i.a);
      if (value !== undefined) return force(value);
    }
    throw new EvalError("undefined-variable", `undefined variable '${i.a}'`, i.pos);
  },
);

export const WITH = defineOperation(
  "with",
  [
    ["code", "namespace"],
    ["code", "body"],
  ],
  "Runs body in a frame whose slot 1 is the namespace.",
  (i, env) => i.b.ev(i.b, [env, i.a.th(i.a, env)]),
);

export const LET = defineOperation(
  "let",
  [
    ["codes", "values"],
    ["code", "body"],
  ],
  "Runs body in a frame of mutually visible variables.",
  (i, env) => {
    const body: Instruction = i.b;
    return body.ev(body, letFrame(i.a, env));
  },
);

/** A frame whose slots see each other. Slots are undefined until it is their turn; code that meets such a one makes a thunk. */
export function letFrame(codes: readonly Instruction[], env: Env): Env {
  const length = codes.length;
  const frame: Env = [env];
  for (let n = 0; n < length; n++) frame.push(undefined);
  for (let n = 0; n < length; n++) {
    const code = codes[n];
    frame[n + 1] = code.th(code, frame);
  }
  return frame;
}

function closure(i: Instruction, env: Env): Closure {
  return new Closure(i.a as LambdaCode, env);
}
export const LAMBDA = defineOperation(
  "lambda",
  [["lambda", "code"]],
  "A function over the current environment.",
  closure,
  closure,
);

export const CALL_1 = defineOperation(
  "call-1",
  [
    ["code", "function"],
    ["code", "argument"],
  ],
  "Applies a function to one argument.",
  (i, env) => call1(i.a.ev(i.a, env), i.b.th(i.b, env), i.pos),
);
export const CALL_2 = defineOperation(
  "call-2",
  [
    ["code", "function"],
    ["code", "first"],
    ["code", "second"],
  ],
  "Applies a function to two arguments.",
  (i, env) => call2(i.a.ev(i.a, env), i.b.th(i.b, env), i.c.th(i.c, env), i.pos),
);
export const CALL_N = defineOperation(
  "call-n",
  [
    ["code", "function"],
    ["codes", "arguments"],
  ],
  "Applies a function to three or more arguments.",
  (i, env) => {
    const fn: Value = i.a.ev(i.a, env);
    const codes: Instruction[] = i.b;
    const args: Lazy[] = [];
    for (let n = 0; n < codes.length; n++) args.push(codes[n].th(codes[n], env));
    return callN(fn, args, i.pos);
  },
);

/** A Boolean that something at `pos` needs. Follows `evalBool`: a mistake in computing it is framed too. */
function condition(i: Instruction, env: Env, pos: number, during: string): boolean {
  try {
    const value = i.ev(i, env);
    if (typeof value === "boolean") return value;
    throw typeError("expected a Boolean but found", value, pos);
  } catch (thrown) {
    throw framed(thrown, during, pos);
  }
}

/** Where an expression is as a frame names it: nowhere for constants and `let`, its inner one for what has no place of its own. */
export function framePos(i: Instruction): number {
  switch (i.op) {
    case CONST.number:
    case LET.number:
      return 0;
    case NOT.number:
      return framePos(i.a);
    default:
      return i.pos;
  }
}

export const IF = defineOperation(
  "if",
  [
    ["code", "condition"],
    ["code", "consequent"],
    ["code", "alternative"],
  ],
  "One of two, by a Boolean.",
  (i, env) => (condition(i.a, env, i.pos, "while evaluating a branch condition") ? i.b.ev(i.b, env) : i.c.ev(i.c, env)),
);
export const ASSERT = defineOperation(
  "assert",
  [
    ["code", "condition"],
    ["code", "body"],
    ["name", "text"],
  ],
  "Body, unless the condition is false: then a catchable error that shows the condition's text.",
  (i, env) => {
    if (!condition(i.a, env, i.pos, "in the condition of the assert statement")) throw failedAssertion(i, env);
    return i.b.ev(i.b, env);
  },
);

/** Tells what makes an equality false, where the condition is one. */
function failedAssertion(i: Instruction, env: Env): EvalError {
  const test: Instruction = i.a;
  if (OPERATIONS[test.op].name === "equal") {
    const difference = findDifference(test.a.ev(test.a, env), test.b.ev(test.b, env));
    if (difference !== undefined)
      return difference.within(`while evaluating the condition of the assertion '${i.c}'`, i.pos);
  }
  return new EvalError("assert", `assertion '${i.c}' failed`, i.pos);
}

export const NOT = defineOperation(
  "not",
  [["code", "operand"]],
  "`!operand`.",
  (i, env) => !condition(i.a, env, framePos(i.a), "in the argument of the not operator"),
);
export const AND = defineOperation(
  "and",
  [
    ["code", "left"],
    ["code", "right"],
  ],
  "`left && right`; right is not looked at when left is false.",
  (i, env) =>
    condition(i.a, env, i.pos, "in the left operand of the AND (&&) operator") &&
    condition(i.b, env, i.pos, "in the right operand of the AND (&&) operator"),
);
export const OR = defineOperation(
  "or",
  [
    ["code", "left"],
    ["code", "right"],
  ],
  "`left || right`; right is not looked at when left is true.",
  (i, env) =>
    condition(i.a, env, i.pos, "in the left operand of the OR (||) operator") ||
    condition(i.b, env, i.pos, "in the right operand of the OR (||) operator"),
);
export const IMPLIES = defineOperation(
  "implies",
  [
    ["code", "left"],
    ["code", "right"],
  ],
  "`left -> right`.",
  (i, env) =>
    !condition(i.a, env, i.pos, "in the left operand of the IMPL (->) operator") ||
    condition(i.b, env, i.pos, "in the right operand of the IMPL (->) operator"),
);
