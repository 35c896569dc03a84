/*
The fetchers. What must come is known for `fetchurl` and `fetchTarball` with a hash, so the store path is known too, and nothing is fetched
before somebody reads it or builds with it. Without a hash the evaluation waits. Follows `fetch` of C++ Nix (primops/fetchTree.cc).
*/

import {
  Attrs,
  builtin,
  type BuiltinDefinition,
  describeType,
  EvalError,
  force,
  forceText,
  forceTextWithoutContext,
  globalBuiltin,
  lastPart,
  type Lazy,
  PathValue,
  StringWithContext,
} from "@firn/eval";
import { type Hash, toHex } from "@firn/hash";
import { storePathNameProblem } from "@firn/nix-compat";
import { hashOf } from "./derivation-strict.ts";
import { type EvalStore, stringOfPath } from "./eval-store.ts";

export function fetchBuiltins(store: EvalStore): BuiltinDefinition[] {
  return [
    builtin("fetchurl", (argument: Lazy) => fetch("fetchurl", argument, store)),
    globalBuiltin("fetchTarball", (argument: Lazy) => fetch("fetchTarball", argument, store)),
    globalBuiltin("fetchGit", refuse("fetchGit")),
    globalBuiltin("fetchMercurial", refuse("fetchMercurial")),
    ...(store.features.has("fetch-tree")
      ? [globalBuiltin("fetchTree", (argument: Lazy) => fetchTree(argument, store))]
      : []),
  ];
}

/** `fetchTarball` of an address without a hash. Throws EvalError. */
export function fetchUnpacked(url: string, store: EvalStore): StringWithContext {
  return fetch("fetchTarball", url, store);
}

function refuse(name: string) {
  return (_argument: Lazy): never => {
    throw new EvalError("unsupported", `builtins.${name} is not supported yet`);
  };
}

type Fetcher = "fetchurl" | "fetchTarball";

function fetch(who: Fetcher, argument: Lazy, store: EvalStore): StringWithContext {
  const { url, name, expected } = argumentsOf(who, argument, store);
  const unpack = who === "fetchTarball";
  if (expected === undefined) {
    if (store.realiser === undefined)
      throw new EvalError("unsupported", `cannot fetch '${url}' during evaluation: nothing can be fetched here`);
    return stringOfPath(store.realiser.fetch({ url, name, unpack }));
  }
  const path = store.pathOfContents(name, unpack ? "nar" : "flat", expected, []);
  if (!store.has(path)) store.post({ kind: "fetch", path, url, unpack, sha256: toHex(expected.bytes) });
  return stringOfPath(path);
}

type FetchArguments = { readonly url: string; readonly name: string; readonly expected: Hash | undefined };

function argumentsOf(who: Fetcher, argument: Lazy, store: EvalStore): FetchArguments {
  const value = force(argument);
  const defaultName = who === "fetchTarball" ? "source" : "";
  if (!(value instanceof Attrs)) {
    const url = addressOf(who, forceTextWithoutContext(value));
    const hint = `Please pass an attribute set with 'url' and 'name' attributes to '${who}',  so that it can create a valid store path.`;
    return { url, name: checkedName(defaultName, url, hint), expected: undefined };
  }
  let url: string | undefined;
  let name: string | undefined;
  let expected: Hash | undefined;
  for (const key of value.names) {
    const attr = value.get(key) as Lazy;
    if (key === "url") url = forceTextWithoutContext(attr);
    else if (key === "sha256") expected = hashOf(forceTextWithoutContext(attr), "sha256", store);
    else if (key === "name") name = forceTextWithoutContext(attr);
    else throw new EvalError("unexpected-argument", `unsupported argument '${key}' to '${who}'`);
  }
  if (url === undefined) throw new EvalError("missing-argument", "'url' argument required");
  url = addressOf(who, url);
  const hint =
    name === undefined
      ? `Please add a valid 'name' attribute to the argument for '${who}', so that it can create a valid store path.`
      : `Please change the value for the 'name' attribute passed to '${who}', so that it can create a valid store path.`;
  return { url, name: checkedName(name ?? defaultName, url, hint), expected };
}

/** `channel:NAME` is short for where the channel's expressions are. */
function addressOf(who: Fetcher, url: string): string {
  if (who !== "fetchTarball" || !url.startsWith("channel:")) return url;
  return `https://channels.nixos.org/${url.slice("channel:".length)}/nixexprs.tar.xz`;
}

/** The name, or what the address ends with. */
function checkedName(given: string, url: string, hint: string): string {
  const name = given === "" ? lastPart(url.replace(/\/+$/, "")) : given;
  const problem = storePathNameProblem(name);
  if (problem === undefined) return name;
  throw new EvalError("invalid-value", `invalid store path name when fetching URL '${url}': ${problem}. ${hint}`);
}

/** Takes its arguments apart as C++ Nix does, and then says that it does not work yet. */
function fetchTree(argument: Lazy, store: EvalStore): never {
  const value = force(argument);
  if (value instanceof Attrs) checkTreeAttributes(value);
  else if (!store.features.has("flakes"))
    throw new EvalError(
      "unsupported",
      "passing a string argument to 'fetchTree' requires the 'flakes' experimental feature",
    );
  else {
    const url = forceText(value, "while evaluating the first argument passed to 'fetchTree'");
    if (/^([a-z]+\+)?file:(?!\/)/.test(url)) {
      const message = `tarball '${url}' must use an absolute path. The 'file' scheme does not support relative paths.`;
      throw new EvalError("invalid-value", message).within(`while fetching the input '${url}'`);
    }
  }
  throw new EvalError("unsupported", "builtins.fetchTree is not supported yet");
}

function checkTreeAttributes(attrs: Attrs): void {
  const type = attrs.get("type");
  if (type === undefined) throw new EvalError("missing-argument", "argument 'type' is missing in call to 'fetchTree'");
  forceTextWithoutContext(type, "while evaluating the `type` argument passed to 'fetchTree'", attrs.positionOf("type"));
  for (const name of attrs.names) {
    if (name === "type") continue;
    const value = force(attrs.get(name) as Lazy);
    if (typeof value === "number" || typeof value === "bigint") {
      if (value >= 0) continue;
      throw new EvalError("invalid-value", `negative value given for 'fetchTree' argument '${name}': ${value}`);
    }
    const isText = typeof value === "string" || value instanceof StringWithContext || value instanceof PathValue;
    if (isText || typeof value === "boolean") continue;
    const message = `argument '${name}' to 'fetchTree' is ${describeType(value)} while a string, Boolean or integer is expected`;
    throw new EvalError("type", message);
  }
  if (attrs.has("name"))
    throw new EvalError("unexpected-argument", "argument 'name' isn’t supported in call to 'fetchTree'");
}
