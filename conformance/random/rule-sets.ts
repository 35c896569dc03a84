/* Attribute sets: with values of one kind and any names, or with certain names; recursive, inherited, dynamic and nested ones. */

import { type Builder, type Scope, shadowed } from "./builder.ts";
import type { Kind } from "./kind.ts";
import { ODD_NAMES } from "./leaves.ts";
import { closed, leaf, listed, type Term } from "./term.ts";

export function attrsTerm(builder: Builder, kind: Kind, scope: Scope, depth: number): Term {
  const names = new Set(Array.from({ length: builder.below(4) }, () => builder.name()));
  const recursive = builder.oneIn(4);
  let inner = recursive ? shadowed(scope, [...names]) : scope;
  const items: Term[] = [];
  for (const name of names) {
    items.push(definition(builder, name, kind, inner, depth));
    // Only what was made before is seen, so there is no cycle.
    if (recursive) inner = [...inner, { name, kind }];
  }
  if (!recursive && builder.oneIn(6))
    items.push(closed`${leaf(builder.pick(ODD_NAMES))} = ${builder.term(kind, scope, depth)};`);
  return listed(recursive ? "rec { " : "{ ", items, " ", " }");
}

function definition(builder: Builder, name: string, kind: Kind, scope: Scope, depth: number): Term {
  const known = scope.findLast((variable) => variable.name === name);
  if (known !== undefined && builder.oneIn(2)) return leaf(`inherit ${name};`);
  const value = (): Term => builder.term(kind, scope, depth);
  if (kind.is === "attrs" && builder.oneIn(2)) {
    const deep = (): Term => builder.term(kind.of, scope, depth - 1);
    return closed`${leaf(name)}.a = ${deep()}; ${leaf(name)}.b = ${deep()};`;
  }
  switch (builder.below(8)) {
    case 0:
      return closed`\${${leaf(`"${name}"`)}} = ${value()};`;
    case 1:
      return closed`inherit (${recordTerm(builder, [[name, kind]], scope, depth)}) ${leaf(name)};`;
    case 2:
      return closed`"${leaf(name)}" = ${value()};`;
    default:
      return closed`${leaf(name)} = ${value()};`;
  }
}

/** A set with these names; rarely one is missing. */
export function recordTerm(
  builder: Builder,
  fields: readonly (readonly [string, Kind])[],
  scope: Scope,
  depth: number,
): Term {
  const items = fields
    .filter(() => !builder.oneIn(120))
    .map(([name, kind]) => closed`${leaf(name)} = ${builder.term(kind, scope, depth)};`);
  return listed("{ ", items, " ", " }");
}
