/*
Building attribute sets binding by binding: nested paths (`a.b.c = 1`) make and enter sets on the way, and two literal sets under one
name become one. It follows `ParserState::addAttr` of C++ Nix, its quirk included that the first set decides whether the result is
recursive (NixOS/nix#9020).
*/

import type { ByteString } from "@firn/base";
import type { AttrDef, AttrName, AttrsExpr, Expr } from "./tree.ts";

/** Told when a name is defined twice; gets the dotted path and both positions. */
export type OnDuplicate = (path: string, pos: number, firstPos: number) => void;

export function emptyAttrs(from: number, recursive: boolean): { -readonly [K in keyof AttrsExpr]: AttrsExpr[K] } {
  return { kind: "attrs", recursive, attrs: new Map(), dynamic: [], sources: [], from, to: from };
}

/** Adds `path = value` defined at `pos`. */
export function addBinding(
  set: AttrsExpr,
  path: readonly AttrName[],
  value: Expr,
  pos: number,
  onDuplicate: OnDuplicate,
): void {
  let into = set;
  for (let i = 0; i < path.length - 1; i++) {
    const step = path[i];
    if (step.name === undefined) {
      const nested = emptyAttrs(pos, false);
      into.dynamic.push({ pos, name: step.expr, value: nested });
      into = nested;
      continue;
    }
    const there = into.attrs.get(step.name);
    if (there === undefined) {
      const nested = emptyAttrs(pos, false);
      into.attrs.set(step.name, { kind: "value", pos, value: nested });
      into = nested;
    } else if (there.kind === "value" && there.value.kind === "attrs") into = there.value;
    else return onDuplicate(dotted(path.slice(0, i + 1)), pos, there.pos);
  }
  const last = path[path.length - 1];
  if (last.name === undefined) into.dynamic.push({ pos, name: last.expr, value });
  else addDef(into, last.name, { kind: "value", pos, value }, () => dotted(path), onDuplicate);
}

/** Adds one definition under a name, merging literal sets. */
export function addDef(
  set: AttrsExpr,
  name: ByteString,
  def: AttrDef,
  path: () => string,
  onDuplicate: OnDuplicate,
): void {
  const there = set.attrs.get(name);
  if (there === undefined) {
    set.attrs.set(name, def);
    return;
  }
  if (there.kind !== "value" || def.kind !== "value" || there.value.kind !== "attrs" || def.value.kind !== "attrs") {
    return onDuplicate(path(), def.pos, there.pos);
  }
  const target = there.value;
  const added = def.value;
  const sourceBase = target.sources.length;
  for (const [key, inner] of added.attrs) {
    const moved = inner.kind === "inherit-from" ? { ...inner, source: inner.source + sourceBase } : inner;
    addDef(target, key, moved, () => `${path()}.${key}`, onDuplicate);
  }
  target.dynamic.push(...added.dynamic);
  target.sources.push(...added.sources);
}

function dotted(path: readonly AttrName[]): string {
  return path.map((step) => step.name ?? "${…}").join(".");
}
