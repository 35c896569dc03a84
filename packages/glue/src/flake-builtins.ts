/*
Builtins of the experimental feature `flakes`: references taken apart and put together. Flakes themselves are not there yet.
*/

import type { ByteString } from "@firn/base";
import {
  Attrs,
  builtin,
  type BuiltinDefinition,
  describeType,
  EvalError,
  force,
  forceAttrs,
  forceTextWithoutContext,
  type Lazy,
  StringWithContext,
} from "@firn/eval";
import { type FlakeAttribute, NixCompatError, parseFlakeRef, printFlakeRef } from "@firn/nix-compat";

export const FLAKE_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("parseFlakeRef", (reference: Lazy) => {
    const text = forceTextWithoutContext(reference);
    return Attrs.fromMap(new Map<string, Lazy>(checked(() => parseFlakeRef(text))));
  }),
  builtin("flakeRefToString", (attributes: Lazy) => {
    const attrs = forceAttrs(attributes);
    const given = new Map<ByteString, FlakeAttribute>();
    for (const name of attrs.names) given.set(name, attributeOf(name, attrs.get(name) as Lazy));
    return checked(() => printFlakeRef(given));
  }),
  builtin("getFlake", (_reference: Lazy) => {
    throw new EvalError("unsupported", "builtins.getFlake is not supported yet");
  }),
];

function attributeOf(name: string, lazy: Lazy): FlakeAttribute {
  const value = force(lazy);
  if (typeof value === "number" || typeof value === "bigint") {
    if (value < 0) throw new EvalError("invalid-value", `negative value given for flake ref attr ${name}: ${value}`);
    if (typeof value === "number") return value;
    throw new EvalError("limit", `the value ${value} of flake ref attr ${name} is too large`);
  }
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (value instanceof StringWithContext) return value.text;
  throw new EvalError(
    "type",
    `flake reference attribute sets may only contain integers, Booleans, and strings, but attribute '${name}' is ${describeType(value)}`,
  );
}

function checked<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof NixCompatError) throw new EvalError("invalid-value", thrown.message, 0, thrown);
    throw thrown;
  }
}
