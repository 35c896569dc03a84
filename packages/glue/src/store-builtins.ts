/*
All builtins that need a store, as one list for an evaluator.
*/

import type { BuiltinDefinition } from "@firn/eval";
import { derivationBuiltin } from "./derivation-builtin.ts";
import { derivationStrictBuiltin } from "./derivation-strict.ts";
import type { EvalStore } from "./eval-store.ts";
import { fetchBuiltins } from "./fetch-builtins.ts";
import { outputOfBuiltin } from "./derivation-outputs.ts";
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
  return store.features.has("dynamic-derivations") ? [outputOfBuiltin(store)] : [];
}
