/*
Paths as values: making one of a string, following links, and what reading below a store path means for a string's context.
*/

import { coerceToString, contextOfString, textOfString } from "./coerce.ts";
import { parseContextElement, StringContext } from "./context.ts";
import { EvalError } from "./error.ts";
import { currentIo, force } from "./machine.ts";
import { canonicalPath, parentPath, resolvePath } from "./path.ts";
import { type Lazy, PathValue } from "./value.ts";

const LINKS_MAX = 1024;
/** Characters of a store path's hash part, and of the dash behind it. */
const HASH_PART_LENGTH = 32;

/** The path a builtin was given: a path, or anything that coerces to an absolute one. */
export function coerceToPath(value: Lazy): PathValue {
  const forced = force(value);
  if (forced instanceof PathValue) return forced;
  const string = coerceToString(forced, "natural", "text");
  const text = textOfString(string);
  for (const element of contextOfString(string)?.elements ?? []) {
    // What is not built yet cannot be read; a plain path is there.
    if (parseContextElement(element).kind === "output") {
      throw new EvalError(
        "unsupported",
        `cannot read '${text}': it has to be built first, and import from derivation is not there yet`,
      );
    }
  }
  if (!text.startsWith("/"))
    throw new EvalError("invalid-value", `string '${text}' doesn't represent an absolute path`);
  return new PathValue(currentIo().rootTree, canonicalPath(text));
}

/** `path` with symlinks at its end followed. */
export function followLinks(path: PathValue): PathValue {
  const io = currentIo();
  let at = path;
  for (let links = 0; io.kindOf(at) === "symlink"; links++) {
    if (links >= LINKS_MAX)
      throw new EvalError("io", `too many symbolic links encountered while traversing the path '${path.path}'`);
    at = new PathValue(at.tree, resolvePath(parentPath(at.path), io.readLink(at)));
  }
  return at;
}

/** The context of what is read from below a store path: that path. */
export function contextOfStorePaths(path: PathValue): StringContext | undefined {
  const io = currentIo();
  const prefix = `${io.storeDir}/`;
  if (path.tree !== io.rootTree || !path.path.startsWith(prefix)) return undefined;
  const end = path.path.indexOf("/", prefix.length);
  const storePath = end < 0 ? path.path : path.path.slice(0, end);
  return storePath.length > prefix.length + HASH_PART_LENGTH ? StringContext.of([storePath]) : undefined;
}
