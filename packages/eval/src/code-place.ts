/*
The place code is at: what instructions refer to that is not in them, so that the same code serves wherever its source stands. Compiler
and decoder hand it to each instruction that has to be linked.
*/

import type { ByteString } from "@firn/base";
import { EvalError } from "./error.ts";
import { resolvePath } from "./path.ts";
import type { Origin } from "./positions.ts";
import { type Lazy, PathValue, type SourceTree } from "./value.ts";

export type CodePlace = {
  readonly origin: Origin;
  /** What relative path literals are relative to. */
  readonly baseDirectory: PathValue;
  /** The tree of absolute path literals. */
  readonly rootTree: SourceTree;
  /** For `~/…`; undefined refuses them. */
  readonly homeDirectory: ByteString | undefined;
  /** The outermost scope. */
  readonly globals: ReadonlyMap<string, Lazy>;
};

/** The path a literal stands for here. */
export function pathOfLiteral(text: ByteString, place: CodePlace, pos: number): PathValue {
  if (text.startsWith("~")) {
    if (place.homeDirectory === undefined) {
      throw new EvalError("io", `the path '${text}' can not be resolved in pure mode`, pos);
    }
    return new PathValue(place.rootTree, resolvePath(place.homeDirectory, text.slice(2)));
  }
  const tree = text.startsWith("/") ? place.rootTree : place.baseDirectory.tree;
  return new PathValue(tree, resolvePath(place.baseDirectory.path, text));
}
