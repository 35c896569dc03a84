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

const VERB: Record<ArithmeticOp, string> = { "+": "adding", "-": "subtracting", "*": "multiplying", "/": "dividing" };

/** `left op right` for any two forced values; type errors included. */
export function arithmetic(op: ArithmeticOp, left: Value, right: Value, pos: number): Value {
  if (left instanceof NixFloat || right instanceof NixFloat) {
    const a = floatOf(left);
    const b = floatOf(right);
    if (op === "/" && b === 0) throw new EvalError("arithmetic", "division by zero", pos);
    return new NixFloat(op === "+" ? a + b : op === "-" ? a - b : op === "*" ? a * b : a / b);
  }
  const a = intOf(left);
  const b = intOf(right);
  if (op === "/") {
    if (b === 0n) throw new EvalError("arithmetic", "division by zero", pos);
    return checked(a / b, op, a, b, pos);
  }
  return checked(op === "+" ? a + b : op === "-" ? a - b : a * b, op, a, b, pos);
}

function checked(result: bigint, op: ArithmeticOp, a: bigint, b: bigint, pos: number): number | bigint {
  if (result > INT_MAX || result < INT_MIN) {
    throw new EvalError("arithmetic", `integer overflow in ${VERB[op]} ${a} ${op} ${b}`, pos);
  }
  return makeInt(result);
}

function floatOf(value: Value): number {
  if (value instanceof NixFloat) return value.value;
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  throw typeError("expected a float but found", value);
}

function intOf(value: Value): bigint {
  if (typeof value === "number") return BigInt(value);
  if (typeof value === "bigint") return value;
  throw typeError("expected an integer but found", value);
}

/** The error of `1 + "a"`. */
export function cannotAdd(value: Value, to: string, pos: number): EvalError {
  return new EvalError("type", `cannot add ${describeType(value)} to ${to}`, pos);
}
