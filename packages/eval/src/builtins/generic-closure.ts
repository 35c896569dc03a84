/*
builtins.genericClosure: everything reachable from a start set, one item per key. Keys are compared as by `<`, so 1 and 1.0 are
one key, and keys that cannot be compared are an error.
*/

import type { Attrs } from "../attrs.ts";
import { forceAttrs, forceFunction, forceList, textOfString } from "../coerce.ts";
import { lessThan } from "../compare.ts";
import { EvalError, framed } from "../error.ts";
import { call1, force } from "../machine.ts";
import { showValue } from "../show-value.ts";
import { NixFloat, PathValue, StringWithContext, type Lazy, type Value } from "../value.ts";

const REQUEST = "in the attrset passed as argument to builtins.genericClosure";

function required(attrs: Attrs, name: string, where?: string): Lazy {
  const value = attrs.get(name);
  if (value === undefined) throw new EvalError("missing-attribute", `attribute '${name}' missing`).within(where);
  return value;
}

export function genericClosure(request: Attrs): Value {
  const start = forceList(
    required(request, "startSet", REQUEST),
    "while evaluating the 'startSet' attribute passed as argument to builtins.genericClosure",
  );
  if (start.length === 0) return start;
  const operator = forceFunction(
    required(request, "operator", REQUEST),
    "while evaluating the 'operator' attribute passed as argument to builtins.genericClosure",
  );
  const found: Lazy[] = [];
  const keys = new KeySet();
  const queue: Lazy[] = start.slice();
  for (let at = 0; at < queue.length; at++) {
    let item: Attrs;
    let key: Lazy;
    try {
      item = forceAttrs(queue[at], "");
      key = required(item, "key", "");
    } catch (thrown) {
      throw framed(thrown, `in genericClosure element ${showValue(queue[at])}`);
    }
    if (!keys.add(force(key), item)) continue;
    found.push(item);
    try {
      const added = forceList(
        call1(operator, item, 0),
        "while evaluating the return value of the `operator` passed to builtins.genericClosure",
      );
      for (let i = 0; i < added.length; i++) {
        force(added[i]);
        queue.push(added[i]);
      }
    } catch (thrown) {
      throw framed(thrown, `while calling operator on genericClosure element ${showValue(item)}`);
    }
  }
  return found;
}

/** A set of keys: hashed where the key is simple, compared one by one where it is a list. */
class KeySet {
  readonly #simple = new Set<string | number | bigint>();
  readonly #compound: { readonly key: Value; readonly item: Attrs }[] = [];
  #first: { readonly key: Value; readonly item: Attrs } | undefined;

  /** False when the key was there already. Throws EvalError `type` when keys cannot be compared. */
  add(key: Value, item: Attrs): boolean {
    // Comparing with the first one finds types that do not mix.
    if (this.#first === undefined) this.#first = { key, item };
    else isLess(key, this.#first.key, item, this.#first.item);
    const simple = simpleKey(key);
    if (simple === undefined) {
      for (const other of this.#compound) {
        if (!isLess(key, other.key, item, other.item) && !isLess(other.key, key, item, other.item)) return false;
      }
      this.#compound.push({ key, item });
      return true;
    }
    if (this.#simple.has(simple)) return false;
    this.#simple.add(simple);
    return true;
  }
}

function isLess(left: Value, right: Value, item: Attrs, other: Attrs): boolean {
  try {
    return lessThan(left, right);
  } catch (thrown) {
    // Innermost first.
    framed(thrown, `with element ${showValue(other)}`);
    throw framed(thrown, `while comparing element ${showValue(item)}`);
  }
}

function simpleKey(key: Value): string | number | bigint | undefined {
  if (typeof key === "string" || key instanceof StringWithContext) return textOfString(key);
  if (typeof key === "number" || typeof key === "bigint") return key;
  if (key instanceof NixFloat) return key.value;
  if (key instanceof PathValue) return key.path;
  return undefined;
}
