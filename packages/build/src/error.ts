/* The one error class of build: what goes wrong around an attempt. An attempt that fails is not an error, it is a result (attempt.ts). */

import { FirnError } from "@firn/base";

/**
 * - `invalid-recipe`: a recipe breaks a rule of recipe.ts.
 * - `missing-input`: an input node is not in the store.
 * - `unsupported`: no builder here can do what the recipe's constraints ask (system, feature, isolation).
 * - `sandbox`: the sandbox could not be set up; not the builder's fault, may be tried again.
 * - `storage`: outputs or logs could not be kept.
 * - `unknown-attempt`: no attempt of this id is known (any more).
 */
export type BuildErrorCode =
  | "invalid-recipe"
  | "missing-input"
  | "unsupported"
  | "sandbox"
  | "storage"
  | "unknown-attempt";

export class BuildError extends FirnError<BuildErrorCode> {}
