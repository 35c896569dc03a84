/*
Turning values into what an operation needs: strings above all. Follows `EvalState::coerceToString` and the force functions
of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import { Attrs } from "./attrs.ts";
import { displayContextElement, type StringContext, uniteContexts } from "./context.ts";
import { EvalError, framed } from "./error.ts";
import { formatFloatFixed } from "./float.ts";
import { call1, force } from "./machine.ts";
import { currentIo } from "./world.ts";
import { showValue } from "./show-value.ts";
import { describeType, typeError } from "./type-name.ts";
import {
  Builtin,
  Closure,
  PartialApplication,
  type Lazy,
  NixFloat,
  PathValue,
  StringWithContext,
  type Value,
} from "./value.ts";

export type StringValue = string | StringWithContext;

/** Which values besides strings are taken: only those with a natural string (paths, sets with outPath), or `toString`'s as well. */
export type Coercion = "natural" | "more";
/** What a path becomes: its text, or the store path of a copy. */
export type PathCoercion = "text" | "copy";

export function textOfString(value: StringValue): ByteString {
  return typeof value === "string" ? value : value.text;
}

export function contextOfString(value: StringValue): StringContext | undefined {
  return typeof value === "string" ? undefined : value.context;
}

export function makeString(text: ByteString, context: StringContext | undefined): StringValue {
  return context === undefined ? text : new StringWithContext(text, context);
}

/**
 * `value` as a string with its context. `during` says what for, where it cannot be one, and `pos` where.
 */
export function coerceToString(
  value: Value,
  coercion: Coercion,
  paths: PathCoercion,
  during?: string,
  pos = 0,
): StringValue {
  if (typeof value === "string" || value instanceof StringWithContext) return value;
  if (value instanceof PathValue)
    return paths === "copy" ? currentIo().copyToStore(value) : value.tree.label + value.path;
  if (value instanceof Attrs) {
    const toString = value.get("__toString");
    if (toString !== undefined) {
      const made = call1(force(toString), value, pos);
      return coerceToString(made, coercion, paths, "while evaluating the result of the `__toString` attribute", pos);
    }
    const outPath = value.get("outPath");
    if (outPath !== undefined) return coerceToString(force(outPath), coercion, paths, during, pos);
  } else if (coercion === "more") {
    if (value === null || value === false) return "";
    if (value === true) return "1";
    if (typeof value === "number" || typeof value === "bigint") return String(value);
    if (value instanceof NixFloat) return formatFloatFixed(value.value);
    if (Array.isArray(value)) {
      try {
        return coerceList(value, paths, pos);
      } catch (thrown) {
        throw framed(thrown, during, pos);
      }
    }
  }
  const message = `cannot coerce ${describeType(value)} to a string: ${showValue(value)}`;
  throw new EvalError("type", message).within(during, pos);
}

/** Items joined by a space; empty lists inside leave no space behind. */
function coerceList(items: readonly Lazy[], paths: PathCoercion, pos: number): StringValue {
  let text = "";
  let context: StringContext | undefined;
  for (let i = 0; i < items.length; i++) {
    const item = force(items[i]);
    const string = coerceToString(item, "more", paths, "while evaluating one element of the list", pos);
    text += textOfString(string);
    context = uniteContexts(context, contextOfString(string));
    if (i < items.length - 1 && !(Array.isArray(item) && item.length === 0)) text += " ";
  }
  return makeString(text, context);
}

// What follows forces a value to be of a type. `during` is the frame that an error gets: for strings, numbers, Booleans and functions any
// error of computing the value as well, for sets and lists only the wrong type.

export function forceString(value: Lazy, during?: string, pos = 0): StringValue {
  try {
    const forced = force(value);
    if (typeof forced === "string" || forced instanceof StringWithContext) return forced;
    throw typeError("expected a string but found", forced, pos);
  } catch (thrown) {
    throw framed(thrown, during, pos);
  }
}

/** The text, whatever its context. */
export function forceText(value: Lazy, during?: string): ByteString {
  return textOfString(forceString(value, during));
}

/** The text of a string that must not refer to store paths. */
export function forceTextWithoutContext(value: Lazy, during?: string, pos = 0): ByteString {
  const string = forceString(value, during, pos);
  if (typeof string === "string") return string;
  const element = displayContextElement(string.context.elements[0]);
  throw new EvalError(
    "type",
    `the string '${string.text}' is not allowed to refer to a store path (such as '${element}')`,
  ).within(during, pos);
}

export function forceAttrs(value: Lazy, during?: string): Attrs {
  const forced = force(value);
  if (forced instanceof Attrs) return forced;
  throw typeError("expected a set but found", forced).within(during);
}

export function forceList(value: Lazy, during?: string, pos = 0): Lazy[] {
  const forced = force(value);
  if (Array.isArray(forced)) return forced;
  throw typeError("expected a list but found", forced).within(during, pos);
}

export function forceBool(value: Lazy, during?: string, pos = 0): boolean {
  try {
    const forced = force(value);
    if (typeof forced === "boolean") return forced;
    throw typeError("expected a Boolean but found", forced, pos);
  } catch (thrown) {
    throw framed(thrown, during, pos);
  }
}

export function forceInt(value: Lazy, during?: string): number | bigint {
  try {
    const forced = force(value);
    if (typeof forced === "number" || typeof forced === "bigint") return forced;
    throw typeError("expected an integer but found", forced);
  } catch (thrown) {
    throw framed(thrown, during);
  }
}

/** An integer that counts or indexes something here; refuses what does not fit a number. */
export function forceSmallInt(value: Lazy, during?: string): number {
  const int = forceInt(value, during);
  if (typeof int === "number") return int;
  throw new EvalError("limit", `the integer ${int} is too large here`);
}

/** A number of either kind, as a float. */
export function forceFloat(value: Lazy, during?: string): number {
  try {
    const forced = force(value);
    if (forced instanceof NixFloat) return forced.value;
    if (typeof forced === "number" || typeof forced === "bigint") return Number(forced);
    throw typeError("expected a float but found", forced);
  } catch (thrown) {
    throw framed(thrown, during);
  }
}

export function forceFunction(value: Lazy, during?: string): Value {
  try {
    const forced = force(value);
    if (isFunction(forced) || (forced instanceof Attrs && forced.has("__functor"))) return forced;
    throw typeError("expected a function but found", forced);
  } catch (thrown) {
    throw framed(thrown, during);
  }
}

/** Functions proper; sets with `__functor` are not. */
export function isFunction(value: Value): boolean {
  return value instanceof Closure || value instanceof Builtin || value instanceof PartialApplication;
}
