/*
Package names and versions: splitting `name-1.2`, splitting a version into its components, and the order of versions.
*/

import type { ByteString } from "@firn/base";
import { Attrs } from "../attrs.ts";
import { forceTextWithoutContext } from "../coerce.ts";
import type { Lazy } from "../value.ts";
import { type BuiltinDefinition, builtin } from "./definition.ts";

const DASH = 45;
const DOT = 46;
const INT32_MAX = 0x7fff_ffff;

function isDigit(char: number): boolean {
  return char >= 48 && char <= 57;
}

function isLetter(char: number): boolean {
  return (char >= 65 && char <= 90) || (char >= 97 && char <= 122);
}

/** The components of a version: runs of digits and runs of anything else, dots and dashes between them dropped. Follows `nextComponent`. */
export function splitVersion(version: ByteString): ByteString[] {
  const components: ByteString[] = [];
  let at = 0;
  while (at < version.length) {
    const char = version.charCodeAt(at);
    if (char === DOT || char === DASH) {
      at++;
      continue;
    }
    const start = at;
    const digits = isDigit(char);
    for (at++; at < version.length; at++) {
      const next = version.charCodeAt(at);
      if (isDigit(next) !== digits || next === DOT || next === DASH) break;
    }
    components.push(version.slice(start, at));
  }
  return components;
}

/** -1, 0 or 1. A missing component is empty: less than a number, more than `pre`. */
export function compareVersions(left: ByteString, right: ByteString): number {
  if (left === right) return 0;
  const a = splitVersion(left);
  const b = splitVersion(right);
  const count = Math.max(a.length, b.length);
  for (let i = 0; i < count; i++) {
    const x = a[i] ?? "";
    const y = b[i] ?? "";
    if (componentLess(x, y)) return -1;
    if (componentLess(y, x)) return 1;
  }
  return 0;
}

/** Follows `componentsLT`. */
function componentLess(a: ByteString, b: ByteString): boolean {
  const x = numberOf(a);
  const y = numberOf(b);
  if (x !== undefined && y !== undefined) return x < y;
  if (a === "" && y !== undefined) return true;
  if (a === "pre" && b !== "pre") return true;
  if (b === "pre") return false;
  if (y !== undefined) return true; // 2.3a comes before 2.3.1
  if (x !== undefined) return false;
  return a < b;
}

/** A component as a number, when it is one that fits 32 bits: C++ Nix reads an `int` and takes longer digits as text. */
function numberOf(component: ByteString): number | undefined {
  if (component === "" || !isDigit(component.charCodeAt(0))) return undefined;
  const value = Number(component);
  return value <= INT32_MAX ? value : undefined;
}

/** Splits at the first dash that no letter follows. Follows `DrvName`. */
export function parseDrvName(text: ByteString): { readonly name: ByteString; readonly version: ByteString } {
  for (let dash = text.indexOf("-"); dash >= 0 && dash + 1 < text.length; dash = text.indexOf("-", dash + 1)) {
    if (!isLetter(text.charCodeAt(dash + 1))) return { name: text.slice(0, dash), version: text.slice(dash + 1) };
  }
  return { name: text, version: "" };
}

/** `parseDrvName compareVersions splitVersion`. */
export const VERSION_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("parseDrvName", (arg: Lazy) => {
    const { name, version } = parseDrvName(
      forceTextWithoutContext(arg, "while evaluating the first argument passed to builtins.parseDrvName"),
    );
    return Attrs.fromMap(
      new Map([
        ["name", name],
        ["version", version],
      ]),
    );
  }),
  builtin("compareVersions", (left: Lazy, right: Lazy) => {
    const a = forceTextWithoutContext(left, "while evaluating the first argument passed to builtins.compareVersions");
    return compareVersions(
      a,
      forceTextWithoutContext(right, "while evaluating the second argument passed to builtins.compareVersions"),
    );
  }),
  builtin("splitVersion", (version: Lazy) =>
    splitVersion(
      forceTextWithoutContext(version, "while evaluating the first argument passed to builtins.splitVersion"),
    ),
  ),
];
