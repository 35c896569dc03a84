// Public, in reading order: the build side. The evaluator's side is `@firn/glue/evaluation`, so that who builds does not load an evaluator.
export { GlueError } from "./error.ts";
export type { GlueErrorCode } from "./error.ts";
export type { PendingObject } from "./pending.ts";
export { writePending } from "./write-pending.ts";
export type { WritePendingOptions, WritePendingStores, WriteProgress } from "./write-pending.ts";
export type { Fetcher } from "./fetcher.ts";
export { fetchToStore } from "./fetch-to-store.ts";
export type { Fetched, FetchOptions, FetchStores } from "./fetch-to-store.ts";
export { checkBuildable } from "./derivation-attributes.ts";
export { derivationRecipe } from "./derivation-recipe.ts";
export type { DerivationRecipe, RecipeOptions } from "./derivation-recipe.ts";
export { closureOf } from "./closure.ts";
export type { ClosureOptions } from "./closure.ts";
export { buildDerivations } from "./build-graph.ts";
export type { BuildCounts, BuildEvent, BuildOptions, BuildParts, BuiltOutputs } from "./build-graph.ts";
export { derivationReader } from "./build-plan.ts";
export type { BuildTarget, ReadDerivation } from "./build-plan.ts";
