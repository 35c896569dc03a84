/*
Attribute paths as the commands take them (`-A a.b."c.d".0`): names apart by dots, quoted where they hold one, numbers index lists.
Functions met on the way are called with the arguments given. Follows `findAlongAttrPath` of C++ Nix.
*/

import { closestNames } from "@firn/base";
import { Attrs, describeType, EvalError, type Evaluator, force, type Value } from "@firn/eval";

/** Takes a path apart. Throws EvalError `invalid-value` when a quote is not closed. */
export function parseAttrPath(path: string): string[] {
  const parts: string[] = [];
  let part = "";
  let quoted = false;
  for (const c of path) {
    if (c === '"') quoted = !quoted;
    else if (c === "." && !quoted) {
      parts.push(part);
      part = "";
    } else part += c;
  }
  if (quoted) throw new EvalError("invalid-value", `missing closing quote in selection path '${path}'`);
  if (part !== "" || parts.length > 0) parts.push(part);
  return parts;
}

/**
 * The value at the path below `root`; functions on the way are called with `args`, what is at its end is not. Follows `findAlongAttrPath`. Within
 * `run`.
 */
export function findAlong(evaluator: Evaluator, root: Value, path: string, args: Attrs): Value {
  let value = root;
  const wanted = (kind: string) =>
    new EvalError(
      "type",
      `the expression selected by the selection path '${path}' should be ${kind} but is ${describeType(value)}`,
    );
  for (const part of parseAttrPath(path)) {
    value = evaluator.autoCall(value, args);
    if (/^[0-9]+$/.test(part)) {
      if (!Array.isArray(value)) throw wanted("a list");
      const index = Number(part);
      if (index >= value.length)
        throw new EvalError("missing-attribute", `list index ${index} in selection path '${path}' is out of range`);
      value = force(value[index]);
    } else {
      if (!(value instanceof Attrs)) throw wanted("a set");
      const next = value.get(part);
      if (next === undefined) {
        const error = new EvalError("missing-attribute", `attribute '${part}' in selection path '${path}' not found`);
        error.suggestion = closestNames(part, value.names);
        throw error;
      }
      value = force(next);
    }
  }
  return value;
}
