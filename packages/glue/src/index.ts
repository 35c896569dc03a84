// Public, in reading order: the build side. The evaluator's side is `@firn/glue/evaluation`, so that who builds does not load an evaluator.
export { GlueError } from "./error.ts";
export type { GlueErrorCode } from "./error.ts";
export type { PendingObject } from "./pending.ts";
export { writePending } from "./write-pending.ts";
export type { WritePendingOptions, WritePendingStores, WriteProgress } from "./write-pending.ts";
export type { Fetcher } from "./fetcher.ts";
export { fetchToStore } from "./fetch-to-store.ts";
export type { Fetched, FetchOptions, FetchStores } from "./fetch-to-store.ts";
export { unpackTar } from "./unpack-tar.ts";
export type { UnpackOptions } from "./unpack-tar.ts";
export { checkBuildable, DerivationAttributes } from "./derivation-attributes.ts";
export { builderEnvironment } from "./builder-environment.ts";
export type { BuilderEnvironment, RecipeOptions } from "./builder-environment.ts";
export { derivationRecipe } from "./derivation-recipe.ts";
export type { DerivationRecipe } from "./derivation-recipe.ts";
export { closureOf } from "./closure.ts";
export type { ClosureOptions } from "./closure.ts";
export { buildDerivations } from "./build-graph.ts";
export type { BuildOptions, BuildParts, BuiltOutputs } from "./build-graph.ts";
export type { BuildCounts, BuildEvent } from "./build-event.ts";
export { checkDerivation } from "./check-derivation.ts";
export type { CheckedDerivation, CheckOptions, CheckRound, CheckVariation } from "./check-derivation.ts";
export { derivationReader, planBuild } from "./build-plan.ts";
export { checkedDerivationReader } from "./checked-derivations.ts";
export type {
  BuildPlan,
  BuildStep,
  BuildTarget,
  PlanParts,
  ReadDerivation,
  SubstituteOutputs,
  SubstituteRealised,
} from "./build-plan.ts";
export { RealisedOutputs } from "./realised-outputs.ts";
export type { OutputPaths, RealisedParts } from "./realised-outputs.ts";
export { derivationToRun } from "./resolve-derivation.ts";
