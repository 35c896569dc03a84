/*
Numbers. Integers are 64-bit and overflow is an error; they are JS numbers while safe and bigints beyond, never both for one
value. The quick paths for two small numbers stand in the callers.
*/

import { EvalError } from "./error.ts";
import { describeType, typeError } from "./type-name.ts";
import { NixFloat, type Value } from "./value.ts";

const INT_MAX = 0x7fff_ffff_ffff_ffffn;
const INT_MIN = -0x8000_0000_0000_0000n;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** The one representation of an integer that fits 64 bits. */
export function makeInt(value: bigint): number | bigint {
  return value <= SAFE && value >= -SAFE ? Number(value) : value;
}

export type ArithmeticOp = "+" | "-" | "*" | "/";

/** Its name as a builtin, and the words of its messages; the slips in them are C++ Nix's. */
type Words = {
  readonly builtin: string;
  readonly verb: string;
  readonly first: string;
  readonly second: string;
  readonly firstFloat: string;
};

function wordsOf(builtin: string, verb: string, noun: string): Words {
  const first = `while evaluating the first argument of the ${noun}`;
  return { builtin, verb, first, second: `while evaluating the second argument of the ${noun}`, firstFloat: first };
}

export const ARITHMETIC: Readonly<Record<ArithmeticOp, Words>> = {
  "+": wordsOf("add", "adding", "addition"),
  "-": wordsOf("sub", "subtracting", "subtraction"),
  "*": {
    ...wordsOf("mul", "multiplying", "multiplication"),
    firstFloat: "while evaluating the first of the multiplication",
  },
  "/": {
    builtin: "div",
    verb: "dividing",
    first: "while evaluating the first operand of the division",
    second: "while evaluating the second operand of the division",
    firstFloat: "while evaluating the first operand of the division",
  },
};

/** `left op right` for any two forced values; type errors included. */
export function arithmetic(op: ArithmeticOp, left: Value, right: Value, pos = 0): Value {
  const words = ARITHMETIC[op];
  if (op === "/" && floatOf(right, words.second) === 0) throw new EvalError("arithmetic", "division by zero", pos);
  if (left instanceof NixFloat || right instanceof NixFloat) {
    const a = floatOf(left, words.firstFloat);
    const b = floatOf(right, words.second);
    return new NixFloat(op === "+" ? a + b : op === "-" ? a - b : op === "*" ? a * b : a / b);
  }
  const a = intOf(left, words.first);
  const b = intOf(right, words.second);
  return checked(op === "+" ? a + b : op === "-" ? a - b : op === "*" ? a * b : a / b, op, a, b, pos);
}

function checked(result: bigint, op: ArithmeticOp, a: bigint, b: bigint, pos: number): number | bigint {
  if (result > INT_MAX || result < INT_MIN) {
    throw new EvalError("arithmetic", `integer overflow in ${ARITHMETIC[op].verb} ${a} ${op} ${b}`, pos);
  }
  return makeInt(result);
}

function floatOf(value: Value, during: string): number {
  if (value instanceof NixFloat) return value.value;
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  throw typeError("expected a float but found", value).within(during);
}

function intOf(value: Value, during: string): bigint {
  if (typeof value === "number") return BigInt(value);
  if (typeof value === "bigint") return value;
  throw typeError("expected an integer but found", value).within(during);
}

/** The error of `1 + "a"`. */
export function cannotAdd(value: Value, to: string, pos: number): EvalError {
  return new EvalError("type", `cannot add ${describeType(value)} to ${to}`, pos);
}
