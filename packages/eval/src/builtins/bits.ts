/*
Arithmetic as functions: `builtins.add` and its kin, bits of 64-bit integers, rounding of floats.
*/

import { arithmetic, type ArithmeticOp, makeInt } from "../arithmetic.ts";
import { forceFloat, forceInt } from "../coerce.ts";
import { lessThan } from "../compare.ts";
import { EvalError } from "../error.ts";
import { formatFloatShown } from "../float.ts";
import { force } from "../machine.ts";
import { type Lazy, NixFloat } from "../value.ts";
import { type BuiltinDefinition, builtin } from "./definition.ts";

/** 2^63: the first float above the 64-bit integers. */
const INT_END = 2 ** 63;
const SAFE = Number.MAX_SAFE_INTEGER;

function calculate(name: string, op: ArithmeticOp): BuiltinDefinition {
  return builtin(name, (left: Lazy, right: Lazy) => arithmetic(op, force(left), force(right)));
}

/** `quick` is for two 32-bit integers; the signs of all others go through bigints, which have two's complement of any width. */
function bitwise(
  name: string,
  quick: (a: number, b: number) => number,
  wide: (a: bigint, b: bigint) => bigint,
): BuiltinDefinition {
  const first = `while evaluating the first argument passed to builtins.${name}`;
  const second = `while evaluating the second argument passed to builtins.${name}`;
  return builtin(name, (left: Lazy, right: Lazy) => {
    const a = forceInt(left, first);
    const b = forceInt(right, second);
    if (a === Number(a) && b === Number(b) && (a | 0) === a && (b | 0) === b) return quick(a, b);
    return makeInt(wide(BigInt(a), BigInt(b)));
  });
}

const DUE_TO_A_BUG = "Due to a bug (see https://github.com/NixOS/nix/issues/12899)";

/**
 * A rounding function to an integer. As in C++ Nix (`prim_ceil`) integers go through a float too, and those that no float is equal to
 * are an error.
 */
function rounding(name: string, round: (value: number) => number): BuiltinDefinition {
  const during = `while evaluating the first argument passed to builtins.${name}`;
  return builtin(name, (arg: Lazy) => {
    const value = force(arg);
    if (typeof value === "number") return value;
    const rounded = round(forceFloat(value, during));
    const fits = rounded >= -INT_END && rounded < INT_END;
    if (value instanceof NixFloat) {
      if (fits) return rounded <= SAFE && rounded >= -SAFE ? rounded + 0 : makeInt(BigInt(rounded));
      const shown = formatFloatShown(value.value);
      throw new EvalError("arithmetic", `NixFloat argument ${shown} is not in the range of NixInt`);
    }
    if (fits && BigInt(rounded) === value) return value;
    const what = fits
      ? `a loss of precision occurred in previous Nix versions because the NixInt argument ${value} was rounded to ${BigInt(rounded)}.`
      : `the NixInt argument ${value} caused undefined behavior in previous Nix versions.`;
    throw new EvalError(
      "arithmetic",
      `${DUE_TO_A_BUG} ${what}\n\tFuture Nix versions might implement the correct behavior.`,
    );
  });
}

/** `add sub mul div lessThan bitAnd bitOr bitXor ceil floor`. */
export const BITS_BUILTINS: readonly BuiltinDefinition[] = [
  calculate("add", "+"),
  calculate("sub", "-"),
  calculate("mul", "*"),
  calculate("div", "/"),
  builtin("lessThan", (left: Lazy, right: Lazy) => {
    const a = force(left);
    return lessThan(a, force(right));
  }),
  bitwise(
    "bitAnd",
    (a, b) => a & b,
    (a, b) => a & b,
  ),
  bitwise(
    "bitOr",
    (a, b) => a | b,
    (a, b) => a | b,
  ),
  bitwise(
    "bitXor",
    (a, b) => a ^ b,
    (a, b) => a ^ b,
  ),
  rounding("ceil", Math.ceil),
  rounding("floor", Math.floor),
];
