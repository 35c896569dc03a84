/*
Builtins that make store paths out of files and texts: `path`, `filterSource`, `toFile`, `storePath`, `placeholder`.
*/

import type { ByteString } from "@firn/base";
import {
  type BuiltinDefinition,
  builtin,
  call2,
  coerceToPathUnbuilt,
  contextOfString,
  currentIo,
  EvalError,
  forceAttrs,
  forceBool,
  forceFunction,
  forceString,
  followLinks,
  forceTextWithoutContext,
  globalBuiltin,
  lastPart,
  type Lazy,
  makeString,
  PathValue,
  textOfString,
  uniteContexts,
  type Value,
} from "@firn/eval";
import type { Hash } from "@firn/hash";
import { NixCompatError, parseStorePathPrefix, placeholder } from "@firn/nix-compat";
import { hashOf } from "./derivation-strict.ts";
import { type EvalStore, stringOfPath } from "./eval-store.ts";
import type { TreeFilter } from "./tree-hash.ts";

export function pathBuiltins(store: EvalStore): BuiltinDefinition[] {
  return [
    builtin("path", (arg: Lazy) => path(arg, store)),
    builtin("filterSource", (filter: Lazy, source: Lazy) => {
      const during = "while evaluating the second argument (the path to filter) passed to 'builtins.filterSource'";
      const from = sourceOf(source, during, store);
      return copy(
        lastPart(from.path),
        from,
        "nar",
        filterOf(filter, "while evaluating the first argument passed to builtins.filterSource"),
        store,
      );
    }),
    builtin("toFile", (name: Lazy, text: Lazy) => {
      const fileName = forceTextWithoutContext(name, "while evaluating the first argument passed to builtins.toFile");
      const contents = forceString(text, "while evaluating the second argument passed to builtins.toFile");
      return store.addText(fileName, textOfString(contents), contextOfString(contents));
    }),
    builtin("storePath", (arg: Lazy) => storePath(arg, store)),
    globalBuiltin("placeholder", (output: Lazy) =>
      placeholder(
        forceTextWithoutContext(output, "while evaluating the first argument passed to builtins.placeholder"),
      ),
    ),
  ];
}

/** Something to copy: an absolute path, built if it had to be, and what a copy of it refers to. */
type CopySource = { readonly path: ByteString; readonly references: readonly ByteString[] };

/** What a path value or string leads to. A copy of an output's contents keeps the output's references. Follows addPath. */
function sourceOf(value: Lazy, during: string, store: EvalStore): CopySource {
  const { path, context } = coerceToPathUnbuilt(value, during);
  if (context === undefined || !store.isBelowStore(path.path)) return { path: path.path, references: [] };
  const built = store.realise(path.path, context);
  const references = store.referencesOf(store.rootOf(built));
  return { path: built, references: references.toSorted() };
}

function copy(
  name: string,
  source: CopySource,
  method: "nar" | "flat",
  filter: TreeFilter | undefined,
  store: EvalStore,
) {
  const { path } = followLinks(new PathValue(currentIo().rootTree, source.path));
  const { references } = source;
  try {
    return store.addTree(name, path, { method, references, ...(filter === undefined ? {} : { filter }) });
  } catch (thrown) {
    if (thrown instanceof EvalError) thrown.addTrace(`while adding path '${source.path}'`, 0);
    throw thrown;
  }
}

function filterOf(filter: Lazy, during: string): TreeFilter {
  const fn = forceFunction(filter, during);
  return (path, kind) =>
    forceBool(call2(fn, path, kind, 0), "while evaluating the return value of the path filter function");
}

function path(arg: Lazy, store: EvalStore): Value {
  const attrs = forceAttrs(arg, "while evaluating the argument passed to 'builtins.path'");
  let from: CopySource | undefined;
  let name = "";
  let filter: TreeFilter | undefined;
  let recursive = true;
  let expected: Hash | undefined;
  for (const key of attrs.names) {
    const value = attrs.get(key) as Lazy;
    switch (key) {
      case "path":
        from = sourceOf(value, "while evaluating the 'path' attribute passed to 'builtins.path'", store);
        break;
      case "name":
        name = forceTextWithoutContext(value, "while evaluating the `name` attribute passed to builtins.path");
        break;
      case "filter":
        filter = filterOf(value, "while evaluating the `filter` parameter passed to builtins.path");
        break;
      case "recursive":
        recursive = forceBool(value, "while evaluating the `recursive` attribute passed to builtins.path");
        break;
      case "sha256":
        expected = hashOf(
          forceTextWithoutContext(value, "while evaluating the `sha256` attribute passed to builtins.path"),
          "sha256",
          store,
        );
        break;
      default:
        throw new EvalError("unexpected-argument", `unsupported argument '${key}' to 'builtins.path'`);
    }
  }
  if (from === undefined) {
    const message = "missing required 'path' attribute in the first argument to 'builtins.path'";
    throw new EvalError("missing-argument", message);
  }
  name = name === "" ? lastPart(from.path) : name;
  const method = recursive ? "nar" : "flat";
  const known = expected && store.pathOfContents(name, method, expected, from.references);
  if (known !== undefined && store.has(known)) return stringOfPath(known);
  const made = copy(name, from, method, filter, store);
  if (known === undefined || made.text === known) return made;
  throw new EvalError("store", `store path mismatch in (possibly filtered) path added from '${from.path}'`);
}

/** A path in the store as a string that depends on the store path it lies in. It has to be there. */
function storePath(arg: Lazy, store: EvalStore): Value {
  const given = coerceToPathUnbuilt(arg, "while evaluating the first argument passed to 'builtins.storePath'");
  const refuse = (text: string) => new EvalError("store", `path '${text}' is not in the Nix store`);
  try {
    let text = given.path.path;
    if (!store.isBelowStore(text) || store.rootOf(text) !== text) text = followLinks(given.path).path;
    if (!store.isBelowStore(text)) throw refuse(text);
    const whole = parseStorePathPrefix(text, store.storeDir).path.absolute(store.storeDir);
    if (!store.has(whole)) throw new EvalError("store", `path '${whole}' is not valid`);
    return makeString(text, uniteContexts(stringOfPath(whole).context, given.context));
  } catch (thrown) {
    if (thrown instanceof NixCompatError) throw refuse(given.path.path);
    throw thrown;
  }
}
