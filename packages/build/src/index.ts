// Public, in reading order.
export { BuildError } from "./error.ts";
export type { BuildErrorCode } from "./error.ts";
export type { Recipe, RecipeConstraints, RecipeInput } from "./recipe.ts";
export { checkRecipe } from "./recipe-rules.ts";
export { recipeDigest } from "./recipe-digest.ts";
export type { Attempt, AttemptEnd, AttemptOutput } from "./attempt.ts";
export type {
  AttemptEvent,
  BuildService,
  BuildServiceSupports,
  SubmitOptions,
  AttemptLimits,
} from "./build-service.ts";
export type { Sandbox, SandboxJob, SandboxResult, SandboxRun } from "./sandbox.ts";
export { ReferenceScanner } from "./ref-scan.ts";
export { createBuildService } from "./local-builder.ts";
export type { BuildServiceParts } from "./local-builder.ts";
