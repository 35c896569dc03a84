/*
All the evaluator can learn of the world. Every access goes through here, `import` and `path` included, and is synchronous: the
evaluator runs in a worker whose reads are cheap. The embedder implements it over real files, a store, or a browser's memory.
*/

import type { ByteString } from "@firn/base";
import type { StringContext } from "./context.ts";
import type { PathValue, SourceTree, StringWithContext, Value } from "./value.ts";

export type FileKind = "regular" | "directory" | "symlink" | "unknown";

/** `evaluation-warning`: the program said it (`builtins.warn`); `warning`: Firn says it about the program. */
export type LogKind = "trace" | "warning" | "evaluation-warning";

/** A warning taken apart. `pos` is a global position (positions.ts). */
export type LogDetails = { readonly code: string; readonly summary: ByteString; readonly pos: number };

export interface EvalIo {
  /** The tree absolute path literals belong to. */
  readonly rootTree: SourceTree;
  /** The tree of the evaluator's own files, which `<nix/…>` falls back to. */
  readonly internalTree: SourceTree;
  /** `/nix/store`, or where store paths are computed for. */
  readonly storeDir: ByteString;
  /** What is there, without following a symlink; undefined when nothing is. Throws EvalError `io` when that cannot be told. */
  kindOf(path: PathValue): FileKind | undefined;
  /** The whole file. Throws EvalError `io` when it is missing or not a file. Follows symlinks. */
  readFile(path: PathValue): ByteString;
  /** Entries in any order. Throws EvalError `io` when it is not a directory. */
  readDirectory(path: PathValue): readonly (readonly [ByteString, FileKind])[];
  /** The target as written. */
  readLink(path: PathValue): ByteString;
  /**
   * Makes sure that what a path's context refers to is there to be read, all of it at once: outputs are built. Yields the path, with the
   * store paths of outputs whose paths were not known before in place of what stood for them. Throws EvalError `store` when a build fails or
   * builds are not allowed, `cancelled` when the evaluation was stopped meanwhile.
   */
  realise(path: ByteString, context: StringContext): ByteString;
  /** Where the tarball at an address that the search path names is unpacked; undefined when it cannot be had, which is warned about. */
  unpacked(url: ByteString): PathValue | undefined;
  /** Absolute store paths that the store path which `path` lies in refers to; none where it is no path of the store, or that is not known. */
  references(path: PathValue): readonly ByteString[];
  /** The package that the derivation in the store at `path` stands for when it is imported; undefined for every other path. */
  derivationAt(path: PathValue): Value | undefined;
  /** The store path of a copy of the tree at `path`, named after its last component, as its own context. */
  copyToStore(path: PathValue): StringWithContext;
  /** The value of an environment variable, or the empty string. */
  environment(name: ByteString): ByteString;
  /** A line for the user: traces and warnings. `about` says more of a warning, whose message may have its place in it. */
  log(kind: LogKind, message: ByteString, about?: LogDetails): void;
}
