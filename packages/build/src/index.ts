// Public, in reading order.
export { BuildError } from "./error.ts";
export type { BuildErrorCode } from "./error.ts";
export type { Recipe, RecipeConstraints, RecipeInput } from "./recipe.ts";
export { checkRecipe } from "./recipe-rules.ts";
export { recipeDigest } from "./recipe-digest.ts";
export { hasEnded } from "./attempt.ts";
export type { Attempt, AttemptEnd, AttemptOutput, AttemptStatus, AttemptUsage, Refusal } from "./attempt.ts";
export { describeEnd } from "./end-words.ts";
export { limitsOf } from "./build-service.ts";
export type {
  AttemptEvent,
  AttemptFilter,
  AttemptLimits,
  AttemptPage,
  BuildService,
  BuildServiceSupports,
  SubmitOptions,
  SubmittedRecipe,
  WatchOptions,
} from "./build-service.ts";
export { compareAttempts } from "./compare-attempts.ts";
export type { CompareOptions, OutputDifference } from "./compare-attempts.ts";
export { expectedDuration, lastSuccess } from "./last-success.ts";
export { DIFFERENCE_CAUSES } from "./difference-causes.ts";
export type { Circumstances, DifferenceCause } from "./difference-causes.ts";
export { explainDifferences } from "./explain-differences.ts";
export type { ExplainedDifference } from "./explain-differences.ts";
export { BUILDER_DIED, pageSize } from "./attempt-store.ts";
export type { AttemptStore, RecipeRecord } from "./attempt-store.ts";
export { watchStored } from "./attempt-watch.ts";
export type { AttemptStores } from "./attempt-watch.ts";
export { MemoryAttempts } from "./memory-attempts.ts";
export type { LiveLog, LiveLogs } from "./live-logs.ts";
export { MemoryLogs } from "./memory-logs.ts";
export type { Sandbox, SandboxJob, SandboxResult, SandboxRun, Turn } from "./sandbox.ts";
export { ReferenceScanner } from "./ref-scan.ts";
export type { ExecutionOptions, Executor, Outcome } from "./execution.ts";
export type { TiedRecipe } from "./recipe-graph.ts";
export { createBuildService, executingBuildService } from "./local-builder.ts";
export type { BuildServiceParts, ExecutingParts } from "./local-builder.ts";
export { balancedBuildService } from "./balanced-builder.ts";
export type { BalancedBuilderParts, BalancedMember } from "./balanced-builder.ts";
export { proxiedBuildService } from "./proxied-builder.ts";
export type { ProxiedBuilderOptions } from "./proxied-builder.ts";
