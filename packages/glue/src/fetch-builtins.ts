/*
The fetchers. What must come is known for `fetchurl` and `fetchTarball` with a hash, so the store path is known too, and nothing is fetched
before somebody reads it or builds with it. Without a hash the evaluation waits. Follows `fetch` of C++ Nix (primops/fetchTree.cc).
*/

import {
  Attrs,
  builtin,
  type BuiltinDefinition,
  EvalError,
  force,
  forceTextWithoutContext,
  globalBuiltin,
  lastPart,
  type Lazy,
  type StringWithContext,
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
    ...(store.features.has("fetch-tree") ? [globalBuiltin("fetchTree", refuse("fetchTree"))] : []),
  ];
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
