/*
All builtins that need a store, as one list for an evaluator.
*/

import type { BuiltinDefinition } from "@firn/eval";
import { derivationBuiltin } from "./derivation-builtin.ts";
import { derivationStrictBuiltin } from "./derivation-strict.ts";
import type { EvalStore } from "./eval-store.ts";
import { fetchBuiltins } from "./fetch-builtins.ts";
import { outputOfBuiltin } from "./derivation-outputs.ts";
import { FLAKE_BUILTINS } from "./flake-builtins.ts";
import { pathBuiltins } from "./path-builtins.ts";

export function storeBuiltins(store: EvalStore): BuiltinDefinition[] {
  const strict = derivationStrictBuiltin(store);
  return [
    strict,
    derivationBuiltin(strict.value),
    ...pathBuiltins(store),
    ...fetchBuiltins(store),
    ...featureBuiltins(store),
  ];
}

/** Builtins that are there only when an experimental feature is enabled. */
function featureBuiltins(store: EvalStore): BuiltinDefinition[] {
  const builtins: BuiltinDefinition[] = [];
  if (store.features.has("dynamic-derivations")) builtins.push(outputOfBuiltin(store));
  if (store.features.has("flakes")) builtins.push(...FLAKE_BUILTINS);
  return builtins;
}
