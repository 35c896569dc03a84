/*
Operations on numbers, strings, lists and paths.
*/

import { arithmetic, type ArithmeticOp, cannotAdd } from "./arithmetic.ts";
import { coerceToString, contextOfString, makeString, textOfString } from "./coerce.ts";
import { equalValues, lessThan } from "./compare.ts";
import { type StringContext, uniteContexts } from "./context.ts";
import { EvalError } from "./error.ts";
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

function numeric(name: string, op: ArithmeticOp, quick: (a: number, b: number) => number) {
  return defineOperation(name, BINARY, `\`left ${op} right\` on numbers.`, (i, env) => {
    const a: Value = i.a.ev(i.a, env);
    const b: Value = i.b.ev(i.b, env);
    if (typeof a === "number" && typeof b === "number") {
      const result = quick(a, b);
      if (result <= SAFE && result >= -SAFE) return result;
    }
    return arithmetic(op, a, b, i.pos);
  });
}

export const SUB = numeric("sub", "-", (a, b) => a - b);
// `+ 0` turns -0 into 0.
export const MUL = numeric("mul", "*", (a, b) => a * b + 0);
export const DIV = numeric("div", "/", (a, b) => (b === 0 ? Number.NaN : Math.trunc(a / b) + 0));

export const ADD = defineOperation(
  "add",
  BINARY,
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
  if (typeof a === "number" || typeof a === "bigint") {
    if (typeof b === "number" || typeof b === "bigint" || b instanceof NixFloat) return arithmetic("+", a, b, i.pos);
    throw cannotAdd(b, "an integer", i.b.pos);
  }
  if (a instanceof NixFloat) {
    if (typeof b === "number" || typeof b === "bigint" || b instanceof NixFloat) return arithmetic("+", a, b, i.pos);
    throw cannotAdd(b, "a float", i.b.pos);
  }
  if (a instanceof PathValue) return appendToPath(a, [b], i.pos);
  const copy = typeof a === "string" || a instanceof StringWithContext ? "copy" : "text";
  try {
    const left = coerceToString(a, "natural", copy);
    const right = coerceToString(b, "natural", copy);
    return makeString(
      textOfString(left) + textOfString(right),
      uniteContexts(contextOfString(left), contextOfString(right)),
    );
  } catch (thrown) {
    if (thrown instanceof EvalError && thrown.pos === 0) thrown.pos = i.pos;
    throw thrown;
  }
}

function appendToPath(path: PathValue, parts: readonly Value[], pos: number): PathValue {
  let text = path.path;
  for (const part of parts) {
    const string = coerceToString(part, "natural", "text");
    if (string instanceof StringWithContext) {
      throw new EvalError("type", "a string that refers to a store path cannot be appended to a path", pos);
    }
    text += string;
  }
  return new PathValue(path.tree, canonicalPath(text));
}

export const INTERPOLATE = defineOperation(
  "interpolate",
  [["codes", "parts"]],
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
      try {
        const string = coerceToString(value, "natural", "copy");
        text += textOfString(string);
        context = uniteContexts(context, contextOfString(string));
      } catch (thrown) {
        if (thrown instanceof EvalError && thrown.pos === 0) thrown.pos = part.pos;
        throw thrown;
      }
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
  ],
  "A path with `${…}` in it: the parts are appended to its start.",
  (i, env) => {
    const parts: Instruction[] = i.b;
    const start: PathValue = i.c;
    const values = parts.map((part) => part.ev(part, env));
    return appendToPath(start, values, i.pos);
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

function compare(name: string, text: string, holds: (a: Value, b: Value) => boolean) {
  return defineOperation(name, BINARY, `\`left ${text} right\`.`, (i, env) => {
    const a: Value = i.a.ev(i.a, env);
    const b: Value = i.b.ev(i.b, env);
    try {
      return holds(a, b);
    } catch (thrown) {
      if (thrown instanceof EvalError && thrown.pos === 0) thrown.pos = i.pos;
      throw thrown;
    }
  });
}
export const LESS = compare("less", "<", (a, b) => lessThan(a, b));
export const LESS_EQUAL = compare("less-equal", "<=", (a, b) => !lessThan(b, a));
export const GREATER = compare("greater", ">", (a, b) => lessThan(b, a));
export const GREATER_EQUAL = compare("greater-equal", ">=", (a, b) => !lessThan(a, b));

function list(i: Instruction, env: Env): Lazy[] {
  const codes: Instruction[] = i.a;
  const items: Lazy[] = [];
  for (let n = 0; n < codes.length; n++) items.push(codes[n].th(codes[n], env));
  return items;
}
export const LIST = defineOperation("list", [["codes", "items"]], "A list.", list, list);

export const CONCAT = defineOperation("concat", BINARY, "`left ++ right`.", (i, env) => {
  const a: Value = i.a.ev(i.a, env);
  if (!Array.isArray(a)) throw typeError("expected a list but found", a, i.pos);
  const b: Value = i.b.ev(i.b, env);
  if (!Array.isArray(b)) throw typeError("expected a list but found", b, i.pos);
  return a.length === 0 ? b : b.length === 0 ? a : a.concat(b);
});
