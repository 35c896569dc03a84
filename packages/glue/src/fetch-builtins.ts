/*
The fetchers. They exist, as sources name them, and say that they do not work yet.
*/

import { type BuiltinDefinition, builtin, EvalError, globalBuiltin, type Lazy } from "@firn/eval";
import type { EvalStore } from "./eval-store.ts";

function refuse(name: string) {
  return (_argument: Lazy): never => {
    throw new EvalError("unsupported", `builtins.${name} is not supported yet: sources have to be on this machine`);
  };
}

export function fetchBuiltins(_store: EvalStore): BuiltinDefinition[] {
  return [
    builtin("fetchurl", refuse("fetchurl")),
    globalBuiltin("fetchTarball", refuse("fetchTarball")),
    globalBuiltin("fetchGit", refuse("fetchGit")),
    globalBuiltin("fetchMercurial", refuse("fetchMercurial")),
    globalBuiltin("fetchTree", refuse("fetchTree")),
  ];
}
