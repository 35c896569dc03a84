/*
How messages name the types of values.
*/

import { Attrs } from "./attrs.ts";
import { EvalError } from "./error.ts";
import { showValue } from "./show-value.ts";
import { Builtin, Closure, NixFloat, PartialApplication, PathValue, StringWithContext, type Value } from "./value.ts";

/** As `builtins.typeOf` has it. */
export function typeOf(value: Value): string {
  switch (typeof value) {
    case "number":
    case "bigint":
      return "int";
    case "boolean":
      return "bool";
    case "string":
      return "string";
  }
  if (value === null) return "null";
  if (value instanceof Attrs) return "set";
  if (Array.isArray(value)) return "list";
  if (value instanceof StringWithContext) return "string";
  if (value instanceof PathValue) return "path";
  if (value instanceof NixFloat) return "float";
  return "lambda";
}

/** With an article, as in "expected a set but found a string". */
export function describeType(value: Value): string {
  if (value instanceof Closure) return "a function";
  if (value instanceof Builtin) return `the built-in function '${value.name}'`;
  if (value instanceof PartialApplication) {
    return value.fn instanceof Builtin ? `the partially applied built-in function '${value.fn.name}'` : "a function";
  }
  const name = typeOf(value);
  switch (name) {
    case "int":
      return "an integer";
    case "bool":
      return "a Boolean";
    case "null":
      return "null";
    default:
      return value instanceof StringWithContext ? "a string with context" : `a ${name}`;
  }
}

/** `MESSAGE a string: "x"`, as a type error. */
export function typeError(message: string, found: Value, pos = 0): EvalError {
  return new EvalError("type", `${message} ${describeType(found)}: ${showValue(found)}`, pos);
}
