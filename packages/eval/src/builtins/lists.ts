/*
Builtins on lists. Items stay lazy unless a builtin has to look at them; lists are never changed, so one that comes out as it went in is
the same array.
*/

import { Attrs } from "../attrs.ts";
import { forceAttrs, forceBool, forceFunction, forceList, forceSmallInt, forceText } from "../coerce.ts";
import { equalValues, lessThan } from "../compare.ts";
import { EvalError } from "../error.ts";
import { intern } from "../intern.ts";
import { call1, call2, force, lazyCall1, poll } from "../machine.ts";
import { Shape } from "../shape.ts";
import { Builtin, type Lazy, type Value } from "../value.ts";
import { type BuiltinDefinition, builtin, globalBuiltin } from "./definition.ts";
import { genericClosure } from "./generic-closure.ts";
import { mergeSort } from "./merge-sort.ts";

/** Most items genList makes. */
const LIST_ITEMS_MAX = 2 ** 27;

const PARTITION = new Shape(["right", "wrong"].map(intern), null);

function elementAt(list: Lazy[], index: number): Value {
  if (index < 0 || index >= list.length) {
    throw new EvalError("invalid-value", `list index ${index} is out of bounds`);
  }
  return force(list[index]);
}

export const LIST_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("length", (list: Lazy) => forceList(list).length),
  builtin("head", (list: Lazy) => {
    const items = forceList(list);
    if (items.length === 0) throw new EvalError("invalid-value", "'builtins.head' called on an empty list");
    return force(items[0]);
  }),
  builtin("tail", (list: Lazy) => {
    const items = forceList(list);
    if (items.length === 0) throw new EvalError("invalid-value", "'builtins.tail' called on an empty list");
    return items.slice(1);
  }),
  builtin("elemAt", (list: Lazy, index: Lazy) => elementAt(forceList(list), forceSmallInt(index))),
  builtin("elem", (value: Lazy, list: Lazy) => {
    const items = forceList(list);
    if (items.length === 0) return false;
    const wanted = force(value);
    for (let i = 0; i < items.length; i++) if (equalValues(wanted, force(items[i]))) return true;
    return false;
  }),
  globalBuiltin("map", (fn: Lazy, list: Lazy) => {
    const items = forceList(list);
    if (items.length === 0) return items;
    const f = forceFunction(fn);
    const mapped: Lazy[] = [];
    for (let i = 0; i < items.length; i++) mapped.push(lazyCall1(f, items[i]));
    return mapped;
  }),
  builtin("filter", (fn: Lazy, list: Lazy) => {
    const items = forceList(list);
    if (items.length === 0) return items;
    const f = forceFunction(fn);
    const kept: Lazy[] = [];
    for (let i = 0; i < items.length; i++) if (forceBool(call1(f, items[i], 0))) kept.push(items[i]);
    return kept.length === items.length ? items : kept;
  }),
  builtin("foldl'", (fn: Lazy, start: Lazy, list: Lazy) => {
    const f = forceFunction(fn);
    const items = forceList(list);
    if (items.length === 0) return force(start);
    let value: Lazy = start;
    for (let i = 0; i < items.length; i++) value = call2(f, value, items[i], 0);
    return force(value);
  }),
  builtin("all", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn);
    const items = forceList(list);
    for (let i = 0; i < items.length; i++) if (!forceBool(call1(f, items[i], 0))) return false;
    return true;
  }),
  builtin("any", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn);
    const items = forceList(list);
    for (let i = 0; i < items.length; i++) if (forceBool(call1(f, items[i], 0))) return true;
    return false;
  }),
  builtin("concatLists", (lists: Lazy) => {
    const outer = forceList(lists);
    const joined: Lazy[] = [];
    for (let i = 0; i < outer.length; i++) {
      const items = forceList(outer[i]);
      for (let j = 0; j < items.length; j++) joined.push(items[j]);
    }
    return joined;
  }),
  builtin("concatMap", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn);
    const outer = forceList(list);
    const joined: Lazy[] = [];
    for (let i = 0; i < outer.length; i++) {
      const items = forceList(call1(f, outer[i], 0));
      for (let j = 0; j < items.length; j++) joined.push(items[j]);
    }
    return joined;
  }),
  builtin("genList", (fn: Lazy, count: Lazy) => {
    const length = forceSmallInt(count);
    if (length < 0) throw new EvalError("invalid-value", `cannot create list of size ${length}`);
    if (length > LIST_ITEMS_MAX)
      throw new EvalError("limit", `cannot create a list of more than ${LIST_ITEMS_MAX} items`);
    const f = forceFunction(fn);
    const items: Lazy[] = [];
    for (let i = 0; i < length; i++) {
      if ((i & 0xfffff) === 0xfffff) poll();
      items.push(lazyCall1(f, i));
    }
    return items;
  }),
  builtin("sort", (comparator: Lazy, list: Lazy) => {
    const items = forceList(list);
    if (items.length === 0) return items;
    const f = forceFunction(comparator);
    if (f instanceof Builtin && f.name === "lessThan") return mergeSort(items, (a, b) => lessThan(force(a), force(b)));
    return mergeSort(items, (a, b) => forceBool(call2(f, a, b, 0)));
  }),
  builtin("partition", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn);
    const items = forceList(list);
    const right: Lazy[] = [];
    const wrong: Lazy[] = [];
    for (let i = 0; i < items.length; i++) (forceBool(call1(f, items[i], 0)) ? right : wrong).push(items[i]);
    return new Attrs(PARTITION, [right, wrong]);
  }),
  builtin("groupBy", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn);
    const items = forceList(list);
    const groups = new Map<string, Lazy[]>();
    for (let i = 0; i < items.length; i++) {
      const name = forceText(call1(f, items[i], 0));
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [items[i]]);
      else group.push(items[i]);
    }
    return Attrs.fromMap(groups);
  }),
  builtin("genericClosure", (request: Lazy) => genericClosure(forceAttrs(request))),
];
