/*
How a builtin is declared: its name as it stands in `builtins`, its arity and its function. Arguments come unforced; a function
throws EvalError without a position, the call puts it in.
*/

import { Builtin, type BuiltinFunction, type Value } from "../value.ts";

export type BuiltinDefinition = {
  /** As in `builtins.NAME`. */
  readonly name: string;
  /** A function of that many arguments, or a constant. */
  readonly value: Value;
  /** Whether it can be named without `builtins.` too (`map`, `toString`); all others only as `__name`. */
  readonly global: boolean;
};

/** A function; `fn`'s own number of parameters is its arity. */
export function builtin(name: string, fn: BuiltinFunction): BuiltinDefinition {
  return { name, value: new Builtin(name, fn.length, fn), global: false };
}

/** A function that needs no `builtins.` before it. */
export function globalBuiltin(name: string, fn: BuiltinFunction): BuiltinDefinition {
  return { name, value: new Builtin(name, fn.length, fn), global: true };
}
