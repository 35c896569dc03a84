/* What the rules are given: choices, and terms of a kind to put into their own. The generator is the one who implements it. */

import type { Kind } from "./kind.ts";
import type { Term } from "./term.ts";

export type Variable = { readonly name: string; readonly kind: Kind };
/** What is in scope, the innermost last; a name may be there twice. */
export type Scope = readonly Variable[];

export type Builder = {
  /** A number from 0 to limit - 1. */
  below(limit: number): number;
  oneIn(n: number): boolean;
  pick<T>(from: readonly T[]): T;
  name(): string;
  anyKind(): Kind;
  /** A term of that kind. `depth` is how far it may nest. */
  term(kind: Kind, scope: Scope, depth: number): Term;
};

/** A scope in which names mean something else. */
export function shadowed(scope: Scope, names: readonly string[]): Scope {
  return scope.filter(({ name }) => !names.includes(name));
}
