/*
Turning values into what an operation needs: strings above all. Follows `EvalState::coerceToString` and the force functions
of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import { Attrs } from "./attrs.ts";
import { displayContextElement, type StringContext, uniteContexts } from "./context.ts";
import { EvalError } from "./error.ts";
import { formatFloatFixed } from "./float.ts";
import { call1, currentIo, force } from "./machine.ts";
import { describeType, typeError } from "./type-name.ts";
import { type Lazy, NixFloat, PathValue, StringWithContext, type Value } from "./value.ts";

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

/** `value` as a string with its context. `what` starts the message when it cannot be one. */
export function coerceToString(value: Value, coercion: Coercion, paths: PathCoercion): StringValue {
  if (typeof value === "string" || value instanceof StringWithContext) return value;
  if (value instanceof PathValue)
    return paths === "copy" ? currentIo().copyToStore(value) : value.tree.label + value.path;
  if (value instanceof Attrs) {
    const toString = value.get("__toString");
    if (toString !== undefined) return coerceToString(call1(force(toString), value, 0), coercion, paths);
    const outPath = value.get("outPath");
    if (outPath !== undefined) return coerceToString(force(outPath), coercion, paths);
  } else if (coercion === "more") {
    if (value === null || value === false) return "";
    if (value === true) return "1";
    if (typeof value === "number" || typeof value === "bigint") return String(value);
    if (value instanceof NixFloat) return formatFloatFixed(value.value);
    if (Array.isArray(value)) return coerceList(value, paths);
  }
  throw new EvalError("type", `cannot coerce ${describeType(value)} to a string`);
}

/** Items joined by a space; empty lists inside leave no space behind. */
function coerceList(items: readonly Lazy[], paths: PathCoercion): StringValue {
  let text = "";
  let context: StringContext | undefined;
  for (let i = 0; i < items.length; i++) {
    const item = force(items[i]);
    const string = coerceToString(item, "more", paths);
    text += textOfString(string);
    context = uniteContexts(context, contextOfString(string));
    if (i < items.length - 1 && !(Array.isArray(item) && item.length === 0)) text += " ";
  }
  return makeString(text, context);
}

export function forceString(value: Lazy): StringValue {
  const forced = force(value);
  if (typeof forced === "string" || forced instanceof StringWithContext) return forced;
  throw typeError("expected a string but found", forced);
}

/** The text, whatever its context. */
export function forceText(value: Lazy): ByteString {
  return textOfString(forceString(value));
}

/** The text of a string that must not refer to store paths. */
export function forceTextWithoutContext(value: Lazy): ByteString {
  const string = forceString(value);
  if (typeof string === "string") return string;
  const element = displayContextElement(string.context.elements[0]);
  throw new EvalError(
    "type",
    `the string '${string.text}' is not allowed to refer to a store path (such as '${element}')`,
  );
}

export function forceAttrs(value: Lazy): Attrs {
  const forced = force(value);
  if (forced instanceof Attrs) return forced;
  throw typeError("expected a set but found", forced);
}

export function forceList(value: Lazy): Lazy[] {
  const forced = force(value);
  if (Array.isArray(forced)) return forced;
  throw typeError("expected a list but found", forced);
}

export function forceBool(value: Lazy): boolean {
  const forced = force(value);
  if (typeof forced === "boolean") return forced;
  throw typeError("expected a Boolean but found", forced);
}

export function forceInt(value: Lazy): number | bigint {
  const forced = force(value);
  if (typeof forced === "number" || typeof forced === "bigint") return forced;
  throw typeError("expected an integer but found", forced);
}

/** An integer that counts or indexes something here; refuses what does not fit a number. */
export function forceSmallInt(value: Lazy): number {
  const int = forceInt(value);
  if (typeof int === "number") return int;
  throw new EvalError("limit", `the integer ${int} is too large here`);
}

export function forceFunction(value: Lazy): Value {
  const forced = force(value);
  if (isFunction(forced) || (forced instanceof Attrs && forced.has("__functor"))) return forced;
  throw typeError("expected a function but found", forced);
}

/** Functions proper; sets with `__functor` are not. */
export function isFunction(value: Value): boolean {
  return describeType(value).endsWith("function");
}
