/*
Values as text, in the form `nix-instantiate --eval` prints them. What is not evaluated is shown as `<CODE>`, a set or list inside itself
as `«repeated»`.
*/

import { byteStringOfText } from "@firn/base";
import { Attrs } from "./attrs.ts";
import { textOfString } from "./coerce.ts";
import { formatFloatShown } from "./float.ts";
import { quoteString, showName } from "./quote.ts";
import {
  Builtin,
  Closure,
  type Lazy,
  NixFloat,
  PartialApplication,
  PathValue,
  StringWithContext,
  Thunk,
} from "./value.ts";

const REPEATED = byteStringOfText("«repeated»");

/** One line, however big. Nothing is forced. The result is a byte string. */
export function printValue(value: Lazy): string {
  const parts: string[] = [];
  print(value, parts, new Set());
  return parts.join("");
}

function print(lazy: Lazy, parts: string[], seen: Set<object>): void {
  const value = lazy instanceof Thunk ? (lazy.code === null ? lazy.env : undefined) : lazy;
  if (value === undefined) parts.push("<CODE>");
  else if (typeof value === "string" || value instanceof StringWithContext)
    parts.push(quoteString(textOfString(value)));
  else if (value instanceof Attrs) {
    if (value.size === 0) parts.push("{ }");
    else if (seen.has(value)) parts.push(REPEATED);
    else {
      seen.add(value);
      const { shape, values } = value.flat();
      parts.push("{ ");
      for (let i = 0; i < values.length; i++) {
        parts.push(showName(shape.names[i]), " = ");
        print(values[i], parts, seen);
        parts.push("; ");
      }
      parts.push("}");
    }
  } else if (Array.isArray(value)) {
    // The place that holds a list is what tells it apart, as in C++ Nix: one that another name holds too is shown again.
    const place = lazy as Lazy[] | Thunk;
    if (value.length === 0) parts.push("[ ]");
    else if (seen.has(place)) parts.push(REPEATED);
    else {
      seen.add(place);
      parts.push("[ ");
      for (const item of value) {
        print(item, parts, seen);
        parts.push(" ");
      }
      parts.push("]");
    }
  } else if (value instanceof PathValue) parts.push(value.tree.label + value.path);
  else if (value instanceof NixFloat) parts.push(formatFloatShown(value.value));
  else if (value instanceof Closure) parts.push("<LAMBDA>");
  else if (value instanceof Builtin) parts.push("<PRIMOP>");
  else if (value instanceof PartialApplication) parts.push(value.fn instanceof Builtin ? "<PRIMOP-APP>" : "<LAMBDA>");
  else parts.push(String(value));
}
