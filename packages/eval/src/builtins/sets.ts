/*
Builtins on attribute sets and functions' arguments.
*/

import { Attrs } from "../attrs.ts";
import { forceAttrs, forceFunction, forceList, forceTextWithoutContext } from "../coerce.ts";
import { EvalError } from "../error.ts";
import { intern } from "../intern.ts";
import { force, lazyCall2, lazyCalls2 } from "../machine.ts";
import { positionValue } from "../ops-position.ts";
import { Shape } from "../shape.ts";
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
  return new Attrs(Shape.of(kept, positions), values);
}

function functionArgs(fn: Lazy): Attrs {
  const value = force(fn);
  if (value instanceof Builtin || value instanceof PartialApplication) return Attrs.EMPTY;
  if (!(value instanceof Closure)) throw new EvalError("type", "'functionArgs' requires a function");
  const formals = value.code.formals;
  if (formals === null) return Attrs.EMPTY;
  const sorted = [...formals].sort((a, b) => (a.name < b.name ? -1 : 1));
  const shape = Shape.of(
    sorted.map((formal) => formal.name),
    sorted.map((formal) => formal.pos),
  );
  return new Attrs(
    shape,
    sorted.map((formal) => formal.fallback !== null),
  );
}

/** A set that a builtin looks into has no such attribute; unlike in a selection, nothing is suggested. */
export function lacking(name: string, where: string): EvalError {
  return new EvalError("missing-attribute", `attribute '${name}' missing`).within(where);
}

export const SET_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("attrNames", (set: Lazy) =>
    forceAttrs(set, "while evaluating the argument passed to builtins.attrNames").names.slice(),
  ),
  builtin("attrValues", (set: Lazy) =>
    forceAttrs(set, "while evaluating the argument passed to builtins.attrValues").flat().values.slice(),
  ),
  builtin("getAttr", (name: Lazy, set: Lazy) => {
    const text = forceTextWithoutContext(name, "while evaluating the first argument passed to builtins.getAttr");
    const attrs = forceAttrs(set, "while evaluating the second argument passed to builtins.getAttr");
    const value = attrs.get(text);
    if (value === undefined) throw lacking(text, "in the attribute set under consideration");
    return force(value);
  }),
  builtin("hasAttr", (name: Lazy, set: Lazy) => {
    const text = forceTextWithoutContext(name, "while evaluating the first argument passed to builtins.hasAttr");
    return forceAttrs(set, "while evaluating the second argument passed to builtins.hasAttr").has(text);
  }),
  globalBuiltin("removeAttrs", (set: Lazy, names: Lazy) => {
    const attrs = forceAttrs(set, "while evaluating the first argument passed to builtins.removeAttrs");
    const removed = new Set(
      forceList(names, "while evaluating the second argument passed to builtins.removeAttrs").map((name) =>
        forceTextWithoutContext(
          name,
          "while evaluating the values of the second argument passed to builtins.removeAttrs",
        ),
      ),
    );
    attrs.flat();
    const keep: number[] = [];
    for (let i = 0; i < attrs.shape.names.length; i++) if (!removed.has(attrs.shape.names[i])) keep.push(i);
    // A set of its own even when nothing was removed: printing tells sets apart by identity.
    if (keep.length === attrs.shape.names.length) return new Attrs(attrs.shape, attrs.values);
    return Attrs.select(attrs, keep);
  }),
  builtin("listToAttrs", (list: Lazy) => {
    const names: string[] = [];
    const values: Lazy[] = [];
    for (const item of forceList(list, "while evaluating the argument passed to builtins.listToAttrs")) {
      const entry = forceAttrs(item, "while evaluating an element of the list passed to builtins.listToAttrs");
      const name = entry.get("name");
      if (name === undefined) throw lacking("name", "in a {name=...; value=...;} pair");
      const text = forceTextWithoutContext(
        name,
        "while evaluating the `name` attribute of an element of the list passed to builtins.listToAttrs",
        entry.positionOf("name"),
      );
      const value = entry.get("value");
      if (value === undefined) {
        // Of two with one name the first one counts, and only that one needs a value.
        if (names.includes(text)) continue;
        throw lacking("value", "in a {name=...; value=...;} pair");
      }
      names.push(text);
      values.push(value);
    }
    return Attrs.fromColumns(names, values);
  }),
  builtin("mapAttrs", (fn: Lazy, set: Lazy) => {
    const attrs = forceAttrs(set, "while evaluating the second argument passed to builtins.mapAttrs").flat();
    const names = attrs.shape.names;
    const call = lazyCalls2(fn);
    const values: Lazy[] = [];
    for (let i = 0; i < names.length; i++) values.push(lazyCall2(call, names[i], attrs.values[i]));
    return new Attrs(attrs.shape.withoutPositions(), values);
  }),
  builtin("intersectAttrs", (left: Lazy, right: Lazy) =>
    intersect(
      forceAttrs(left, "while evaluating the first argument passed to builtins.intersectAttrs"),
      forceAttrs(right, "while evaluating the second argument passed to builtins.intersectAttrs"),
    ),
  ),
  builtin("catAttrs", (name: Lazy, list: Lazy) => {
    const text = intern(
      forceTextWithoutContext(name, "while evaluating the first argument passed to builtins.catAttrs"),
    );
    const found: Lazy[] = [];
    for (const item of forceList(list, "while evaluating the second argument passed to builtins.catAttrs")) {
      const value = forceAttrs(
        item,
        "while evaluating an element in the list passed as second argument to builtins.catAttrs",
      ).get(text);
      if (value !== undefined) found.push(value);
    }
    return found;
  }),
  builtin("zipAttrsWith", (fn: Lazy, list: Lazy) => {
    const f = forceFunction(fn, "while evaluating the first argument passed to builtins.zipAttrsWith");
    const groups = new Map<string, Lazy[]>();
    for (const item of forceList(list, "while evaluating the second argument passed to builtins.zipAttrsWith")) {
      const attrs = forceAttrs(
        item,
        "while evaluating a value of the list passed as second argument to builtins.zipAttrsWith",
      ).flat();
      attrs.shape.names.forEach((name, i) => {
        const group = groups.get(name);
        if (group === undefined) groups.set(name, [attrs.values[i]]);
        else group.push(attrs.values[i]);
      });
    }
    const call = lazyCalls2(f, f instanceof Closure ? f.code.pos : 0);
    const names = [...groups.keys()];
    return Attrs.fromColumns(
      names,
      names.map((name) => lazyCall2(call, name, groups.get(name) as Lazy[])),
    );
  }),
  builtin("functionArgs", (fn: Lazy) => functionArgs(fn)),
  builtin("unsafeGetAttrPos", (name: Lazy, set: Lazy) => {
    const text = forceTextWithoutContext(
      name,
      "while evaluating the first argument passed to builtins.unsafeGetAttrPos",
    );
    const attrs = forceAttrs(set, "while evaluating the second argument passed to builtins.unsafeGetAttrPos");
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
