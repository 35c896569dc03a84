/*
Builtins that make store paths out of files and texts: `path`, `filterSource`, `toFile`, `storePath`, `placeholder`.
*/

import type { ByteString } from "@firn/base";
import {
  type BuiltinDefinition,
  builtin,
  call2,
  coerceToPath,
  contextOfString,
  EvalError,
  force,
  forceAttrs,
  forceBool,
  forceFunction,
  forceString,
  forceTextWithoutContext,
  globalBuiltin,
  lastPart,
  type Lazy,
  makeString,
  StringContext,
  type StringWithContext,
  textOfString,
  uniteContexts,
  type Value,
} from "@firn/eval";
import { equalHashes, fromHex, printHash } from "@firn/hash";
import { NixCompatError, parseStorePathPrefix, placeholder } from "@firn/nix-compat";
import { hashOf } from "./derivation-strict.ts";
import { type EvalStore, stringOfPath } from "./eval-store.ts";
import type { TreeFilter } from "./tree-hash.ts";

export function pathBuiltins(store: EvalStore): BuiltinDefinition[] {
  return [
    builtin("path", (arg: Lazy) => path(arg, store)),
    builtin("filterSource", (filter: Lazy, source: Lazy) => {
      const hostPath = hostPathOf(source, store);
      return store.addTree(lastPart(hostPath), hostPath, "nar", filterOf(filter));
    }),
    builtin("toFile", (name: Lazy, text: Lazy) => {
      const fileName = forceTextWithoutContext(name);
      const contents = forceString(text);
      return store.addText(fileName, textOfString(contents), contextOfString(contents));
    }),
    builtin("storePath", (arg: Lazy) => storePath(arg, store)),
    globalBuiltin("placeholder", (output: Lazy) => placeholder(forceTextWithoutContext(output))),
  ];
}

/** The host path behind a path value: the store's paths that are copies of the host's lead back to it. */
function hostPathOf(value: Lazy, store: EvalStore): ByteString {
  const { path: text } = coerceToPath(value);
  if (!text.startsWith(`${store.storeDir}/`)) return text;
  const end = text.indexOf("/", store.storeDir.length + 1);
  const object = store.pending(end < 0 ? text : text.slice(0, end));
  if (object?.kind === "source") return end < 0 ? object.hostPath : object.hostPath + text.slice(end);
  throw new EvalError("unsupported", `cannot copy '${text}' out of the store yet`);
}

function filterOf(filter: Lazy): TreeFilter {
  const fn = forceFunction(filter);
  return (path, kind) => forceBool(call2(fn, path, kind, 0));
}

function path(arg: Lazy, store: EvalStore): Value {
  const attrs = forceAttrs(arg);
  let from: ByteString | undefined;
  let name: string | undefined;
  let filter: TreeFilter | undefined;
  let recursive = true;
  let sha256: string | undefined;
  for (const key of attrs.names) {
    const value = attrs.get(key) as Lazy;
    switch (key) {
      case "path":
        from = hostPathOf(value, store);
        break;
      case "name":
        name = forceTextWithoutContext(value);
        break;
      case "filter":
        filter = filterOf(value);
        break;
      case "recursive":
        recursive = forceBool(value);
        break;
      case "sha256":
        sha256 = forceTextWithoutContext(value);
        break;
      default:
        throw new EvalError("unexpected-argument", `unsupported argument '${key}' to 'builtins.path'`);
    }
  }
  if (from === undefined)
    throw new EvalError("missing-argument", "missing required 'path' attribute in the first argument to builtins.path");
  const made = store.addTree(name ?? lastPart(from), from, recursive ? "nar" : "flat", filter);
  if (sha256 !== undefined) checkHash(made, hashOf(sha256, "sha256"), from, store);
  return made;
}

/** The `sha256` of builtins.path is an assertion on what was copied. */
function checkHash(
  made: StringWithContext,
  expected: ReturnType<typeof hashOf>,
  from: ByteString,
  store: EvalStore,
): void {
  const object = store.pending(made.text);
  const bytes = object?.kind === "source" ? fromHex(object.sha256) : undefined;
  if (bytes === undefined) return;
  const got = { algorithm: "sha256" as const, bytes };
  if (equalHashes(got, expected)) return;
  throw new EvalError(
    "store",
    `hash mismatch in path '${from}': specified ${printHash(expected, "sri")}, got ${printHash(got, "sri")}`,
  );
}

function storePath(arg: Lazy, store: EvalStore): Value {
  const value = force(arg);
  const context = typeof value === "string" || value === null ? undefined : contextOfString(forceStringOrPath(value));
  const text = coerceToPath(value).path;
  try {
    const { path } = parseStorePathPrefix(text, store.storeDir);
    const whole = path.absolute(store.storeDir);
    if (store.pending(whole) === undefined && store.store?.status(whole) === undefined) {
      throw new EvalError("store", `path '${whole}' is not in the store`);
    }
    const own = stringOfPath(whole);
    return makeString(text, uniteContexts(own.context, context) ?? StringContext.of([whole]));
  } catch (thrown) {
    if (thrown instanceof NixCompatError)
      throw new EvalError("store", `path '${text}' is not in the Nix store`, 0, thrown);
    throw thrown;
  }
}

function forceStringOrPath(value: Value) {
  return typeof value === "string"
    ? value
    : typeof value === "object" && value !== null && "context" in value
      ? forceString(value)
      : "";
}
