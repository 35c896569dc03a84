/*
Paths as values: making one of a string, having built what it leads to, following links.
*/

import { Attrs } from "./attrs.ts";
import { coerceToString, contextOfString, textOfString } from "./coerce.ts";
import type { StringContext } from "./context.ts";
import { EvalError, framed } from "./error.ts";
import type { FileKind } from "./io.ts";
import { call1, force } from "./machine.ts";
import { currentIo } from "./world.ts";
import { canonicalPath, parentPath, resolvePath } from "./path.ts";
import { type Lazy, PathValue, type Value } from "./value.ts";

const LINKS_MAX = 1024;

/**
 * The path a builtin was given to read from: a path, or anything that coerces to an absolute one. What the string's context refers to is built
 * first. Follows `EvalState::realisePath`.
 */
export function coerceToPath(value: Lazy): PathValue {
  const { path, context } = coerceToPathUnbuilt(value, "while realising the context of a path");
  if (context === undefined) return path;
  try {
    return new PathValue(path.tree, currentIo().realise(path.path, context));
  } catch (thrown) {
    if (thrown instanceof EvalError) thrown.addTrace(`while realising the context of path '${path.path}'`, 0);
    throw thrown;
  }
}

/** The same for a path that is not read (yet), with what it depends on. `during` says what for, where it cannot be one. Follows `EvalState::coerceToPath`. */
export function coerceToPathUnbuilt(
  value: Lazy,
  during?: string,
): { readonly path: PathValue; readonly context: StringContext | undefined } {
  const forced = forcedWithin(value, during);
  if (forced instanceof PathValue) return { path: forced, context: undefined };
  const toString = forced instanceof Attrs ? forced.get("__toString") : undefined;
  if (toString !== undefined) return coerceToPathUnbuilt(call1(force(toString), forced, 0), during);
  const string = coerceToString(forced, "natural", "text", during);
  const text = textOfString(string);
  if (!text.startsWith("/"))
    throw new EvalError("invalid-value", `string '${text}' doesn't represent an absolute path`).within(during);
  return { path: new PathValue(currentIo().rootTree, canonicalPath(text)), context: contextOfString(string) };
}

function forcedWithin(value: Lazy, during: string | undefined): Value {
  try {
    return force(value);
  } catch (thrown) {
    throw framed(thrown, during);
  }
}

/** `path` with symlinks at its end followed. */
export function followLinks(path: PathValue): PathValue {
  return followLinksTo(path).path;
}

/** The same, and what is there. */
export function followLinksTo(path: PathValue): { readonly path: PathValue; readonly kind: FileKind | undefined } {
  const io = currentIo();
  let at = path;
  for (let links = 0; ; links++) {
    const kind = io.kindOf(at);
    if (kind !== "symlink") return { path: at, kind };
    if (links >= LINKS_MAX)
      throw new EvalError("io", `too many symbolic links encountered while traversing the path '${path.path}'`);
    at = new PathValue(at.tree, resolvePath(parentPath(at.path), io.readLink(at)));
  }
}
