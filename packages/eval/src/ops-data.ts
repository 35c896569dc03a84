/*
Operations on numbers, strings, lists and paths.
*/

import { ARITHMETIC, arithmetic, type ArithmeticOp, cannotAdd } from "./arithmetic.ts";
import { coerceToString, contextOfString, makeString, textOfString } from "./coerce.ts";
import { equalValues, lessThan } from "./compare.ts";
import { type StringContext, uniteContexts } from "./context.ts";
import { EvalError, framed } from "./error.ts";
import { defineOperation, type Instruction, suspend } from "./instruction.ts";
import { pathOfLiteral } from "./code-place.ts";
import { canonicalPath } from "./path.ts";
import { typeError } from "./type-name.ts";
import { type Env, type Lazy, NixFloat, PathValue, StringWithContext, type Value } from "./value.ts";

const BINARY = [
  ["code", "left"],
  ["code", "right"],
] as const;

const SAFE = Number.MAX_SAFE_INTEGER;

function numeric(op: ArithmeticOp, quick: (a: number, b: number) => number) {
  const name = ARITHMETIC[op].builtin;
  const during = `while calling the '${name}' builtin`;
  return defineOperation(name, BINARY, `\`left ${op} right\` on numbers.`, (i, env) => {
    try {
      const a: Value = i.a.ev(i.a, env);
      const b: Value = i.b.ev(i.b, env);
      if (typeof a === "number" && typeof b === "number") {
        const result = quick(a, b);
        if (result <= SAFE && result >= -SAFE) return result;
      }
      return arithmetic(op, a, b);
    } catch (thrown) {
      throw framed(thrown, during, i.pos);
    }
  });
}

export const SUB = numeric("-", (a, b) => a - b);
// `+ 0` turns -0 into 0.
export const MUL = numeric("*", (a, b) => a * b + 0);
export const DIV = numeric("/", (a, b) => (b === 0 ? Number.NaN : Math.trunc(a / b) + 0));

export const ADD = defineOperation(
  "add",
  [...BINARY, ["number", "bytes from left to the operator"], ["number", "bytes from the operator to right"]],
  "`left + right`: numbers are added, strings and paths joined.",
  (i, env) => {
    const a: Value = i.a.ev(i.a, env);
    const b: Value = i.b.ev(i.b, env);
    if (typeof a === "number" && typeof b === "number") {
      const result = a + b;
      if (result <= SAFE && result >= -SAFE) return result;
    }
    if (typeof a === "string" && typeof b === "string") return a + b;
    return add(a, b, i);
  },
);

/** `a + b` for any two values, as ExprConcatStrings of C++ Nix: the first decides what comes out. */
function add(a: Value, b: Value, i: Instruction): Value {
  const rightPos = i.pos + i.d;
  if (typeof a === "number" || typeof a === "bigint") {
    if (typeof b === "number" || typeof b === "bigint" || b instanceof NixFloat) return arithmetic("+", a, b, rightPos);
    throw cannotAdd(b, "an integer", rightPos);
  }
  if (a instanceof NixFloat) {
    if (typeof b === "number" || typeof b === "bigint" || b instanceof NixFloat) {
      const sum = arithmetic("+", a, b, rightPos);
      // C++ Nix sums from 0.0 on, so that -0.0 + -0.0 is 0.0 here, though not in builtins.add.
      return sum instanceof NixFloat && Object.is(sum.value, -0) ? new NixFloat(0) : sum;
    }
    throw cannotAdd(b, "a float", rightPos);
  }
  if (a instanceof PathValue) return appendToPath(a, [b], i.pos, [i.d]);
  const copy = typeof a === "string" || a instanceof StringWithContext ? "copy" : "text";
  const left = coerceToString(a, "natural", copy, SEGMENT, i.pos - i.c);
  const right = coerceToString(b, "natural", copy, SEGMENT, rightPos);
  return makeString(
    textOfString(left) + textOfString(right),
    uniteContexts(contextOfString(left), contextOfString(right)),
  );
}

/** What every part of a string, path or `+` is called. */
const SEGMENT = "while evaluating a path segment";

/** `starts`: where each part begins, from `pos` on. */
function appendToPath(path: PathValue, parts: readonly Value[], pos: number, starts: readonly number[]): PathValue {
  let text = path.path;
  for (let n = 0; n < parts.length; n++) {
    const string = coerceToString(parts[n], "natural", "text", SEGMENT, pos + starts[n]);
    if (string instanceof StringWithContext) {
      throw new EvalError("type", "a string that refers to a store path cannot be appended to a path", pos);
    }
    text += string;
  }
  return new PathValue(path.tree, canonicalPath(text));
}

export const INTERPOLATE = defineOperation(
  "interpolate",
  [
    ["codes", "parts"],
    ["numbers", "bytes to each part"],
  ],
  "A string with `${…}` in it: parts are coerced to strings, paths copied to the store.",
  (i, env) => {
    const parts: Instruction[] = i.a;
    let text = "";
    let context: StringContext | undefined;
    for (let n = 0; n < parts.length; n++) {
      const part = parts[n];
      const value = part.ev(part, env);
      if (typeof value === "string") {
        text += value;
        continue;
      }
      const string = coerceToString(value, "natural", "copy", SEGMENT, i.pos + i.b[n]);
      text += textOfString(string);
      context = uniteContexts(context, contextOfString(string));
    }
    return makeString(text, context);
  },
);

export const PATH_LITERAL = defineOperation(
  "path-literal",
  [
    ["name", "text"],
    ["linked", "path"],
  ],
  "A path, relative to where the source stands.",
  (i) => i.b,
  (i) => i.b,
  (i, place) => {
    i.b = pathOfLiteral(i.a, place, i.pos);
  },
);

export const PATH = defineOperation(
  "path",
  [
    ["name", "text"],
    ["codes", "parts"],
    ["linked", "start"],
    ["numbers", "bytes to each part"],
  ],
  "A path with `${…}` in it: the parts are appended to its start.",
  (i, env) => {
    const parts: Instruction[] = i.b;
    const start: PathValue = i.c;
    const values = parts.map((part) => part.ev(part, env));
    return appendToPath(start, values, i.pos, i.d);
  },
  suspend,
  (i, place) => {
    const { tree, path } = pathOfLiteral(i.a, place, i.pos);
    // A slash at the start's end is part of what is appended to, which a PathValue in general cannot have.
    i.c = new PathValue(tree, i.a.endsWith("/") && path !== "/" ? `${path}/` : path);
  },
);

export const EQUAL = defineOperation("equal", BINARY, "`left == right`.", (i, env) =>
  equalValues(i.a.ev(i.a, env), i.b.ev(i.b, env)),
);
export const NOT_EQUAL = defineOperation(
  "not-equal",
  BINARY,
  "`left != right`.",
  (i, env) => !equalValues(i.a.ev(i.a, env), i.b.ev(i.b, env)),
);

/** `holds` of the operands, which are looked at in the order in which the builtin is given them. */
function compare(name: string, text: string, swapped: boolean, holds: (isLess: boolean) => boolean) {
  return defineOperation(name, BINARY, `\`left ${text} right\`.`, (i, env) => {
    try {
      const first: Instruction = swapped ? i.b : i.a;
      const second: Instruction = swapped ? i.a : i.b;
      const a = first.ev(first, env);
      return holds(lessThan(a, second.ev(second, env)));
    } catch (thrown) {
      framed(thrown, "while calling the 'lessThan' builtin", i.pos);
      // `a <= b` is `!(b < a)`.
      throw text.length === 1 ? thrown : framed(thrown, "in the argument of the not operator", i.pos);
    }
  });
}
const same = (isLess: boolean) => isLess;
const not = (isLess: boolean) => !isLess;
export const LESS = compare("less", "<", false, same);
export const LESS_EQUAL = compare("less-equal", "<=", true, not);
export const GREATER = compare("greater", ">", true, same);
export const GREATER_EQUAL = compare("greater-equal", ">=", false, not);

function list(i: Instruction, env: Env): Lazy[] {
  const codes: Instruction[] = i.a;
  const items: Lazy[] = [];
  for (let n = 0; n < codes.length; n++) items.push(codes[n].th(codes[n], env));
  return items;
}
export const LIST = defineOperation("list", [["codes", "items"]], "A list.", list, list);

const CONCATENATING = "while evaluating one of the elements to concatenate";

export const CONCAT = defineOperation("concat", BINARY, "`left ++ right`.", (i, env) => {
  const a: Value = i.a.ev(i.a, env);
  const b: Value = i.b.ev(i.b, env);
  if (!Array.isArray(a)) throw typeError("expected a list but found", a).within(CONCATENATING, i.pos);
  if (!Array.isArray(b)) throw typeError("expected a list but found", b).within(CONCATENATING, i.pos);
  return a.length === 0 ? b : b.length === 0 ? a : a.concat(b);
});
