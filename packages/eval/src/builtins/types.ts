/*
Builtins that ask a value what it is.
*/

import { Attrs } from "../attrs.ts";
import { isFunction } from "../coerce.ts";
import { force } from "../machine.ts";
import { typeOf } from "../type-name.ts";
import type { Lazy } from "../value.ts";
import { type BuiltinDefinition, builtin, globalBuiltin } from "./definition.ts";

const is = (name: string, type: string) => builtin(name, (value: Lazy) => typeOf(force(value)) === type);

export const TYPE_BUILTINS: readonly BuiltinDefinition[] = [
  is("isAttrs", "set"),
  is("isBool", "bool"),
  is("isFloat", "float"),
  is("isInt", "int"),
  is("isList", "list"),
  is("isPath", "path"),
  is("isString", "string"),
  builtin("isFunction", (value: Lazy) => isFunction(force(value))),
  globalBuiltin("isNull", (value: Lazy) => force(value) === null),
  builtin("typeOf", (value: Lazy) => {
    const forced = force(value);
    return forced instanceof Attrs ? "set" : typeOf(forced);
  }),
];
