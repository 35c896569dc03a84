/*
Builtins on lists. Items stay lazy unless a builtin has to look at them; lists are never changed, so one that comes out as it went in is
the same array.
*/

import { Attrs } from "../attrs.ts";
import { forceAttrs, forceBool, forceFunction, forceList, forceSmallInt, forceTextWithoutContext } from "../coerce.ts";
import { equalValues, lessThan } from "../compare.ts";
import { EvalError } from "../error.ts";
import { intern } from "../intern.ts";
import { call1, call2, force, lazyCalls1, poll } from "../machine.ts";
import { Shape } from "../shape.ts";
import { Builtin, Closure, type Lazy, Thunk, type Value } from "../value.ts";
import { type BuiltinDefinition, builtin, globalBuiltin } from "./definition.ts";
import { genericClosure } from "./generic-closure.ts";
import { mergeSort } from "./merge-sort.ts";

/** Most items genList makes. */
const LIST_ITEMS_MAX = 2 ** 27;

const PARTITION = new Shape(["right", "wrong"].map(intern), null);

function elementAt(list: Lazy[], index: number): Value {
  if (index < 0 || index >= list.length) {
    throw new EvalError(
      "invalid-value",
      `'builtins.elemAt' called with index ${index} on a list of size ${list.length}`,
    );
  }
  return force(list[index]);
}

/** Where a function is defined, as a place for what it yields. */
function positionOf(fn: Value): number {
  return fn instanceof Closure ? fn.code.pos : 0;
}

export const LIST_BUILTINS: readonly BuiltinDefinition[] = [
  builtin(
    "length",
    (list: Lazy) => forceList(list, "while evaluating the first argument passed to builtins.length").length,
  ),
  builtin("head", (list: Lazy) => {
    const items = forceList(list, "while evaluating the first argument passed to 'builtins.head'");
    if (items.length === 0) throw new EvalError("invalid-value", "'builtins.head' called on an empty list");
    return force(items[0]);
  }),
  builtin("tail", (list: Lazy) => {
    const items = forceList(list, "while evaluating the first argument passed to 'builtins.tail'");
    if (items.length === 0) throw new EvalError("invalid-value", "'builtins.tail' called on an empty list");
    return items.slice(1);
  }),
  builtin("elemAt", (list: Lazy, index: Lazy) => {
    const at = forceSmallInt(index, "while evaluating the second argument passed to 'builtins.elemAt'");
    return elementAt(forceList(list, "while evaluating the first argument passed to 'builtins.elemAt'"), at);
  }),
  builtin("elem", (value: Lazy, list: Lazy) => {
    const items = forceList(list, "while evaluating the second argument passed to builtins.elem");
    if (items.length === 0) return false;
    const wanted = force(value);
    for (let i = 0; i < items.length; i++) if (equalValues(wanted, force(items[i]))) return true;
    return false;
  }),
  globalBuiltin("map", (fn: Lazy, list: Lazy) => {
    const items = forceList(list, "while evaluating the second argument passed to builtins.map");
    if (items.length === 0) return items;
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.map");
    const call = lazyCalls1(f);
    const mapped: Lazy[] = [];
    for (let i = 0; i < items.length; i++) mapped.push(new Thunk(call, items[i]));
    return mapped;
  }),
  builtin("filter", (fn: Lazy, list: Lazy) => {
    const items = forceList(list, "while evaluating the second argument passed to builtins.filter");
    if (items.length === 0) return items;
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.filter");
    const kept: Lazy[] = [];
    for (let i = 0; i < items.length; i++)
      if (
        forceBool(
          call1(f, items[i], 0),
          "while evaluating the return value of the filtering function passed to builtins.filter",
        )
      )
        kept.push(items[i]);
    return kept.length === items.length ? items : kept;
  }),
  builtin("foldl'", (fn: Lazy, start: Lazy, list: Lazy) => {
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.foldlStrict");
    const items = forceList(list, "while evaluating the third argument passed to builtins.foldlStrict");
    if (items.length === 0) return force(start);
    let value: Lazy = start;
    for (let i = 0; i < items.length; i++) value = call2(f, value, items[i], 0);
    return force(value);
  }),
  builtin("all", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.all");
    const items = forceList(list, "while evaluating the second argument passed to builtins.all");
    for (let i = 0; i < items.length; i++)
      if (!forceBool(call1(f, items[i], 0), "while evaluating the return value of the function passed to builtins.all"))
        return false;
    return true;
  }),
  builtin("any", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.any");
    const items = forceList(list, "while evaluating the second argument passed to builtins.any");
    for (let i = 0; i < items.length; i++)
      if (forceBool(call1(f, items[i], 0), "while evaluating the return value of the function passed to builtins.any"))
        return true;
    return false;
  }),
  builtin("concatLists", (lists: Lazy) => {
    const outer = forceList(lists, "while evaluating the first argument passed to builtins.concatLists");
    const joined: Lazy[] = [];
    for (let i = 0; i < outer.length; i++) {
      const items = forceList(outer[i], "while evaluating a value of the list passed to builtins.concatLists");
      for (let j = 0; j < items.length; j++) joined.push(items[j]);
    }
    return joined;
  }),
  builtin("concatMap", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.concatMap");
    const outer = forceList(list, "while evaluating the second argument passed to builtins.concatMap");
    const joined: Lazy[] = [];
    for (let i = 0; i < outer.length; i++) {
      const items = forceList(
        call1(f, outer[i], 0),
        "while evaluating the return value of the function passed to builtins.concatMap",
        positionOf(f),
      );
      for (let j = 0; j < items.length; j++) joined.push(items[j]);
    }
    return joined;
  }),
  builtin("genList", (fn: Lazy, count: Lazy) => {
    const length = forceSmallInt(count, "while evaluating the second argument passed to builtins.genList");
    if (length < 0) throw new EvalError("invalid-value", `cannot create list of size ${length}`);
    if (length > LIST_ITEMS_MAX)
      throw new EvalError("limit", `cannot create a list of more than ${LIST_ITEMS_MAX} items`);
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.genList");
    const call = lazyCalls1(f);
    const items: Lazy[] = [];
    for (let i = 0; i < length; i++) {
      if ((i & 0xfffff) === 0xfffff) poll();
      items.push(new Thunk(call, i));
    }
    return items;
  }),
  builtin("sort", (comparator: Lazy, list: Lazy) => {
    const items = forceList(list, "while evaluating the second argument passed to builtins.sort");
    if (items.length === 0) return items;
    const f = forceFunction(comparator, "while evaluating the first argument passed to builtins.sort");
    const forced = items.map((item) => force(item)); // a single one as well, though nothing compares it
    if (f instanceof Builtin && f.name === "lessThan")
      return mergeSort(forced, (a, b) =>
        lessThan(force(a), force(b), "while evaluating the ordering function passed to builtins.sort"),
      );
    return mergeSort(forced, (a, b) =>
      forceBool(call2(f, a, b, 0), "while evaluating the return value of the sorting function passed to builtins.sort"),
    );
  }),
  builtin("partition", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.partition");
    const items = forceList(list, "while evaluating the second argument passed to builtins.partition");
    const right: Lazy[] = [];
    const wrong: Lazy[] = [];
    for (const item of items) {
      force(item); // even where the function does not look at it
      const isRight = forceBool(
        call1(f, item, 0),
        "while evaluating the return value of the partition function passed to builtins.partition",
      );
      (isRight ? right : wrong).push(item);
    }
    return new Attrs(PARTITION, [right, wrong]);
  }),
  builtin("groupBy", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.groupBy");
    const items = forceList(list, "while evaluating the second argument passed to builtins.groupBy");
    const groups = new Map<string, Lazy[]>();
    for (let i = 0; i < items.length; i++) {
      const name = forceTextWithoutContext(
        call1(f, items[i], 0),
        "while evaluating the return value of the grouping function passed to builtins.groupBy",
      );
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [items[i]]);
      else group.push(items[i]);
    }
    return Attrs.fromMap(groups);
  }),
  builtin("genericClosure", (request: Lazy) =>
    genericClosure(forceAttrs(request, "while evaluating the first argument passed to builtins.genericClosure")),
  ),
];
