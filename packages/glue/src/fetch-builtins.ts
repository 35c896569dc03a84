/*
The fetchers. They exist, as sources name them, and say that they do not work yet.
*/

import { type BuiltinDefinition, builtin, EvalError, globalBuiltin, type Lazy } from "@firn/eval";

function refuse(name: string) {
  return (_argument: Lazy): never => {
    throw new EvalError("unsupported", `builtins.${name} is not supported yet: sources have to be on this machine`);
  };
}

export const FETCH_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("fetchurl", refuse("fetchurl")),
  globalBuiltin("fetchTarball", refuse("fetchTarball")),
  globalBuiltin("fetchGit", refuse("fetchGit")),
  globalBuiltin("fetchMercurial", refuse("fetchMercurial")),
  globalBuiltin("fetchTree", refuse("fetchTree")),
];
