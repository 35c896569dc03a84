/* Functions: of one name, and of formals where a set is taken. */

import { type Builder, type Scope, shadowed } from "./builder.ts";
import type { Kind } from "./kind.ts";
import { closed, leaf, type Term } from "./term.ts";

export function functionTerm(builder: Builder, from: Kind, to: Kind, scope: Scope, depth: number): Term {
  const name = builder.name();
  if (from.is === "record" && builder.oneIn(2)) {
    const names = from.fields.map(([field]) => field);
    const inner = [...scope, ...from.fields.map(([field, kind]) => ({ name: field, kind }))];
    return closed`({ ${leaf(`${names.join(", ")}, ...`)} }: ${builder.term(to, inner, depth)})`;
  }
  if (from.is === "attrs" && builder.oneIn(2)) {
    const inner = [...shadowed(scope, [name, "args"]), { name: "args", kind: from }, { name, kind: from.of }];
    const fallback = builder.term(from.of, shadowed(scope, [name, "args"]), depth - 1);
    const body = builder.term(to, inner, depth);
    return builder.oneIn(2)
      ? closed`({ ${leaf(name)} ? ${fallback}, ... }@args: ${body})`
      : closed`(args@{ ${leaf(name)} ? ${fallback}${leaf(builder.oneIn(4) ? "" : ", ...")} }: ${body})`;
  }
  return closed`(${leaf(name)}: ${builder.term(to, [...scope, { name, kind: from }], depth)})`;
}
