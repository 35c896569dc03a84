/*
Equality and order. Follows `EvalState::eqValues` and `CompareValues` of C++ Nix: functions are never equal, except that inside lists and
sets the same object counts as equal (nixpkgs relies on it); sets that are derivations are compared by `outPath`.
*/

import { Attrs } from "./attrs.ts";
import { textOfString } from "./coerce.ts";
import { EvalError, framed } from "./error.ts";
import { force } from "./machine.ts";
import { showValue } from "./show-value.ts";
import { describeType, typeOf } from "./type-name.ts";
import { type Lazy, NixFloat, PathValue, StringWithContext, type Value } from "./value.ts";

/** `left == right` for two forced values. */
export function equalValues(left: Value, right: Value): boolean {
  if (left === right) {
    if (typeof left !== "object" || left === null) return true;
  }
  if (typeof left === "string") {
    return typeof right === "string" ? false : right instanceof StringWithContext && left === right.text;
  }
  if (left instanceof StringWithContext) {
    return typeof right === "string" || right instanceof StringWithContext ? left.text === textOfString(right) : false;
  }
  if (typeof left === "number" || typeof left === "bigint")
    return right instanceof NixFloat && Number(left) === right.value;
  if (left instanceof NixFloat) {
    if (right instanceof NixFloat) return left.value === right.value;
    return (typeof right === "number" || typeof right === "bigint") && left.value === Number(right);
  }
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false;
    for (let i = 0; i < left.length; i++) if (!equalInside(left[i], right[i])) return false;
    return true;
  }
  if (left instanceof Attrs) return right instanceof Attrs && equalAttrs(left, right);
  if (left instanceof PathValue)
    return right instanceof PathValue && left.tree === right.tree && left.path === right.path;
  return false;
}

function equalInside(left: Lazy, right: Lazy): boolean {
  if (left === right) return true;
  const a = force(left);
  const b = force(right);
  return a === b || equalValues(a, b);
}

export function isDerivation(value: Attrs): boolean {
  const type = value.get("type");
  if (type === undefined) return false;
  const forced = force(type);
  return (typeof forced === "string" || forced instanceof StringWithContext) && textOfString(forced) === "derivation";
}

function equalAttrs(left: Attrs, right: Attrs): boolean {
  if (isDerivation(left) && isDerivation(right)) {
    const a = left.get("outPath");
    const b = right.get("outPath");
    if (a !== undefined && b !== undefined) return equalInside(a, b);
  }
  left.flat();
  right.flat();
  const names = left.shape.names;
  if (left.shape !== right.shape) {
    if (names.length !== right.shape.names.length) return false;
    for (let i = 0; i < names.length; i++) if (names[i] !== right.shape.names[i]) return false;
  }
  for (let i = 0; i < names.length; i++) if (!equalInside(left.values[i], right.values[i])) return false;
  return true;
}

/** Whether `left < right`, for two forced values of one comparable type. `during` says what for, where they are not. */
export function lessThan(left: Value, right: Value, during?: string): boolean {
  if (typeof left === "number" && typeof right === "number") return left < right;
  try {
    return isLess(left, right);
  } catch (thrown) {
    throw framed(thrown, during);
  }
}

function isLess(left: Value, right: Value): boolean {
  if (isNumber(left) && isNumber(right)) return numberOf(left) < numberOf(right);
  if (isString(left) && isString(right)) return textOfString(left) < textOfString(right);
  if (left instanceof PathValue && right instanceof PathValue) return left.path < right.path;
  if (Array.isArray(left) && Array.isArray(right)) {
    for (let i = 0; ; i++) {
      if (i >= right.length) return false;
      if (i >= left.length) return true;
      if (!equalInside(left[i], right[i]))
        return lessThan(force(left[i]), force(right[i]), "while comparing two list elements");
    }
  }
  const values = `${showValue(left)} and ${showValue(right)}`;
  const why =
    typeOf(left) === typeOf(right)
      ? `values of that type are incomparable (values are ${values})`
      : `values are ${values}`;
  throw new EvalError("type", `cannot compare ${describeType(left)} with ${describeType(right)}; ${why}`);
}

function isNumber(value: Value): value is number | bigint | NixFloat {
  return typeof value === "number" || typeof value === "bigint" || value instanceof NixFloat;
}

function isString(value: Value): value is string | StringWithContext {
  return typeof value === "string" || value instanceof StringWithContext;
}

/** For `<` JavaScript compares numbers and bigints exactly. */
function numberOf(value: number | bigint | NixFloat): number | bigint {
  return value instanceof NixFloat ? value.value : value;
}
