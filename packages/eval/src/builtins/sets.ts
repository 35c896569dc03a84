/*
Builtins on attribute sets and functions' arguments.
*/

import { Attrs } from "../attrs.ts";
import { forceAttrs, forceFunction, forceList, forceText } from "../coerce.ts";
import { EvalError } from "../error.ts";
import { intern } from "../intern.ts";
import { force, lazyCall2 } from "../machine.ts";
import { missingAttribute } from "../ops-sets.ts";
import { positionValue } from "../ops-position.ts";
import { Shape } from "../shape.ts";
import { typeError } from "../type-name.ts";
import { Builtin, Closure, type Lazy, PartialApplication } from "../value.ts";
import { type BuiltinDefinition, builtin, globalBuiltin } from "./definition.ts";

/** The attributes of `right` that `left` has as well. Neither is flattened when it is the big one: callPackage hands in all packages. */
function intersect(left: Attrs, right: Attrs): Attrs {
  const { names } = left;
  if (right.base === null && right.shape.names.length <= names.length) {
    const keep: number[] = [];
    const shape = left.shape;
    for (let i = 0; i < right.shape.names.length; i++) if (shape.indexOf(right.shape.names[i]) >= 0) keep.push(i);
    return Attrs.select(right, keep);
  }
  const kept: string[] = [];
  const positions: number[] = [];
  const values: Lazy[] = [];
  for (let i = 0; i < names.length; i++) {
    const value = right.get(names[i]);
    if (value === undefined) continue;
    kept.push(names[i]);
    positions.push(right.positionOf(names[i]));
    values.push(value);
  }
  return new Attrs(new Shape(kept, positions), values);
}

function functionArgs(fn: Lazy): Attrs {
  const value = force(fn);
  if (value instanceof Builtin || value instanceof PartialApplication) return Attrs.EMPTY;
  if (!(value instanceof Closure)) throw typeError("'functionArgs' requires a function, but got", value);
  const formals = value.code.formals;
  if (formals === null) return Attrs.EMPTY;
  const sorted = [...formals].sort((a, b) => (a.name < b.name ? -1 : 1));
  const shape = new Shape(
    sorted.map((formal) => formal.name),
    sorted.map((formal) => formal.pos),
  );
  return new Attrs(
    shape,
    sorted.map((formal) => formal.fallback !== null),
  );
}

export const SET_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("attrNames", (set: Lazy) => forceAttrs(set).names.slice()),
  builtin("attrValues", (set: Lazy) => forceAttrs(set).flat().values.slice()),
  builtin("getAttr", (name: Lazy, set: Lazy) => {
    const text = forceText(name);
    const attrs = forceAttrs(set);
    const value = attrs.get(text);
    if (value === undefined) throw missingAttribute(text, attrs, 0);
    return force(value);
  }),
  builtin("hasAttr", (name: Lazy, set: Lazy) => {
    const text = forceText(name);
    return forceAttrs(set).has(text);
  }),
  globalBuiltin("removeAttrs", (set: Lazy, names: Lazy) => {
    const attrs = forceAttrs(set);
    const removed = new Set(forceList(names).map(forceText));
    attrs.flat();
    const keep: number[] = [];
    for (let i = 0; i < attrs.shape.names.length; i++) if (!removed.has(attrs.shape.names[i])) keep.push(i);
    // A set of its own even when nothing was removed: printing tells sets apart by identity.
    if (keep.length === attrs.shape.names.length) return new Attrs(attrs.shape, attrs.values);
    return Attrs.select(attrs, keep);
  }),
  builtin("listToAttrs", (list: Lazy) => {
    const map = new Map<string, Lazy>();
    for (const item of forceList(list)) {
      const entry = forceAttrs(item);
      const name = entry.get("name");
      if (name === undefined) throw missingAttribute("name", entry, 0);
      const text = forceText(name);
      if (map.has(text)) continue;
      const value = entry.get("value");
      if (value === undefined) throw missingAttribute("value", entry, 0);
      map.set(text, value);
    }
    return map.size === 0 ? Attrs.EMPTY : Attrs.fromMap(map);
  }),
  builtin("mapAttrs", (fn: Lazy, set: Lazy) => {
    const attrs = forceAttrs(set).flat();
    const names = attrs.shape.names;
    const values: Lazy[] = [];
    for (let i = 0; i < names.length; i++) values.push(lazyCall2(fn, names[i], attrs.values[i]));
    return new Attrs(attrs.shape.withoutPositions(), values);
  }),
  builtin("intersectAttrs", (left: Lazy, right: Lazy) => intersect(forceAttrs(left), forceAttrs(right))),
  builtin("catAttrs", (name: Lazy, list: Lazy) => {
    const text = intern(forceText(name));
    const found: Lazy[] = [];
    for (const item of forceList(list)) {
      const value = forceAttrs(item).get(text);
      if (value !== undefined) found.push(value);
    }
    return found;
  }),
  builtin("zipAttrsWith", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn);
    const groups = new Map<string, Lazy[]>();
    for (const item of forceList(list)) {
      const attrs = forceAttrs(item).flat();
      attrs.shape.names.forEach((name, i) => {
        const group = groups.get(name);
        if (group === undefined) groups.set(name, [attrs.values[i]]);
        else group.push(attrs.values[i]);
      });
    }
    const zipped = new Map<string, Lazy>();
    for (const [name, values] of groups) zipped.set(name, lazyCall2(f, name, values));
    return Attrs.fromMap(zipped);
  }),
  builtin("functionArgs", (fn: Lazy) => functionArgs(fn)),
  builtin("unsafeGetAttrPos", (name: Lazy, set: Lazy) => {
    const text = forceText(name);
    const attrs = forceAttrs(set);
    return attrs.has(text) ? positionValue(attrs.positionOf(text)) : null;
  }),
];

/** Shared with the store's builtins, whose arguments are sets: the attribute, or an error that names the builtin. */
export function requiredAttr(attrs: Attrs, name: string, builtinName: string): Lazy {
  const value = attrs.get(name);
  if (value === undefined)
    throw new EvalError(
      "missing-attribute",
      `required attribute '${name}' missing in the argument of builtins.${builtinName}`,
    );
  return value;
}
