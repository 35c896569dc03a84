/*
Builtins that read files, by way of EvalIo.
*/

import { hashByteStringHex } from "@firn/hash";
import { Attrs } from "../attrs.ts";
import { forceAttrs, forceList, forceTextWithoutContext, makeString, textOfString, coerceToString } from "../coerce.ts";
import { StringContext } from "../context.ts";
import { EvalError } from "../error.ts";
import type { FileKind } from "../io.ts";
import { force } from "../machine.ts";
import { currentIo } from "../world.ts";
import { canonicalPath } from "../path.ts";
import { coerceToPath, coerceToPathUnbuilt, followLinks } from "../path-value.ts";
import { Shape } from "../shape.ts";
import { type Lazy, PathValue, StringWithContext } from "../value.ts";
import { type BuiltinDefinition, builtin } from "./definition.ts";
import { hashAlgorithmOf } from "./strings.ts";

/** Length of a store path's hash part. */
const HASH_PART_CHARS = 32;

const ENTRY_PATH = "while evaluating the `path` attribute of an element of the list passed to builtins.findFile";

/** The whole list is looked at before anything is looked up, as in C++ Nix. */
function findFile(searchPath: Lazy, name: Lazy): PathValue {
  const entries = forceList(searchPath, "while evaluating the first argument passed to builtins.findFile").map(
    searchPathEntry,
  );
  const wanted = forceTextWithoutContext(name, "while evaluating the second argument passed to builtins.findFile");
  for (const { prefix, base: baseOf } of entries) {
    const suffix = matchPrefix(prefix, wanted);
    const base = suffix === undefined ? undefined : baseOf();
    if (base === undefined) continue;
    const found = new PathValue(base.tree, canonicalPath(`${base.path}/${suffix}`));
    if (currentIo().kindOf(followLinks(found)) !== undefined) return found;
  }
  if (wanted.startsWith("nix/")) {
    const internal = new PathValue(currentIo().internalTree, canonicalPath(wanted.slice(3)));
    if (currentIo().kindOf(internal) !== undefined) return internal;
  }
  throw new EvalError("throw", `file '${wanted}' was not found in the Nix search path (add it using $NIX_PATH or -I)`);
}

/** What C++ Nix fetches as a tarball when a search path names it (`isPseudoUrl`). */
const PSEUDO_URL = /^(?:channel:|(?:https?|file|channel|git|s3|ssh):\/\/)/;

/** `base` gives undefined for what leads nowhere. */
function searchPathEntry(item: Lazy): { readonly prefix: string; readonly base: () => PathValue | undefined } {
  const entry = forceAttrs(item, "while evaluating an element of the list passed to builtins.findFile");
  const prefix = entry.has("prefix")
    ? forceTextWithoutContext(
        entry.get("prefix") as Lazy,
        "while evaluating the `prefix` attribute of an element of the list passed to builtins.findFile",
      )
    : "";
  const path = entry.get("path");
  if (path === undefined)
    throw new EvalError("missing-attribute", "attribute 'path' missing").within("in an element of the __nixPath");
  const value = force(path);
  if (value instanceof PathValue) return { prefix, base: () => value };
  const text = textOfString(coerceToString(value, "natural", "text", ENTRY_PATH));
  if (PSEUDO_URL.test(text)) return { prefix, base: () => currentIo().unpacked(text) };
  return { prefix, base: () => (text.startsWith("/") ? coerceToPath(value) : undefined) };
}

/** What is left of `wanted` behind `prefix`, when that is its whole beginning. */
function matchPrefix(prefix: string, wanted: string): string | undefined {
  if (prefix === "") return wanted;
  if (wanted === prefix) return "";
  return wanted.startsWith(`${prefix}/`) ? wanted.slice(prefix.length + 1) : undefined;
}

function readFile(path: Lazy) {
  const from = followLinks(coerceToPath(path));
  const text = currentIo().readFile(from);
  if (text.includes("\0")) {
    throw new EvalError(
      "invalid-value",
      `the contents of the file '${from.path}' cannot be represented as a Nix string`,
    );
  }
  return makeString(text, contextOfContents(text, from));
}

/** What the text of a file in the store depends on: those of the store path's references that occur in it. */
function contextOfContents(text: string, from: PathValue): StringContext | undefined {
  const io = currentIo();
  const hashPart = io.storeDir.length + 1;
  const isNamed = (path: string) => text.includes(path.slice(hashPart, hashPart + HASH_PART_CHARS));
  return StringContext.of(io.references(from).filter(isNamed));
}

function readDir(path: Lazy): Attrs {
  const io = currentIo();
  const entries = [...io.readDirectory(followLinks(coerceToPath(path)))].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  const shape = new Shape(
    entries.map(([name]) => name),
    null,
  );
  return new Attrs(
    shape,
    entries.map(([, kind]): FileKind => kind),
  );
}

function pathExists(path: Lazy): boolean {
  const value = force(path);
  const io = currentIo();
  // A trailing `/` or `/.` asks for a directory.
  const text = typeof value === "string" || value instanceof StringWithContext ? textOfString(value) : "";
  const mustBeDirectory = text.endsWith("/") || text.endsWith("/.");
  const at = coerceToPath(value);
  try {
    const kind = io.kindOf(mustBeDirectory ? followLinks(at) : at);
    return kind !== undefined && (!mustBeDirectory || kind === "directory");
  } catch (thrown) {
    if (thrown instanceof EvalError && thrown.code === "io") return false;
    throw thrown;
  }
}

export const FILE_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("findFile", (searchPath: Lazy, name: Lazy) => findFile(searchPath, name)),
  builtin("readFile", (path: Lazy) => readFile(path)),
  builtin("readDir", (path: Lazy) => readDir(path)),
  builtin("readFileType", (path: Lazy) => {
    const at = coerceToPath(path);
    const kind = currentIo().kindOf(at);
    if (kind === undefined) throw new EvalError("io", `path '${at.path}' does not exist`);
    return kind;
  }),
  builtin("pathExists", (path: Lazy) => pathExists(path)),
  builtin("hashFile", (algorithm: Lazy, path: Lazy) => {
    const name = hashAlgorithmOf(
      forceTextWithoutContext(algorithm, "while evaluating the first argument passed to builtins.hashFile"),
    );
    return hashByteStringHex(name, currentIo().readFile(coerceToPath(path)));
  }),
  builtin("getEnv", (name: Lazy) =>
    currentIo().environment(
      forceTextWithoutContext(name, "while evaluating the first argument passed to builtins.getEnv"),
    ),
  ),
  builtin("toPath", (value: Lazy) => {
    const { path, context } = coerceToPathUnbuilt(
      value,
      "while evaluating the first argument passed to builtins.toPath",
    );
    return makeString(path.path, context);
  }),
];
