/*
Where attempts are remembered: records of those that wait, run and ended, seen by every process that opened the same store, with the recipe
each executes. How many ended ones are kept, and for how long, is the store's own setting, the same for successes and failures.

A record belongs to the process that put it while its attempt has not ended. When that process is gone, so is the attempt: the store answers
then that it failed for `infrastructure`, whoever asks next.
*/

import type { Digest } from "@firn/castore";
import type { Attempt } from "./attempt.ts";
import type { AttemptFilter, AttemptPage } from "./build-service.ts";
import type { Recipe } from "./recipe.ts";

export interface AttemptStore {
  /**
   * Remembers an attempt in the place of what was known of it; with its first put come its recipe and what that was tied to nodes as. Resolves
   * when other processes see it.
   */
  put(attempt: Attempt, recipes?: readonly RecipeRecord[]): Promise<void>;

  /**
   * Remembers that the attempt, put before, runs now; unless one of a recipe that is tied to the same runs already, in whatever process, or has succeeded
   * between the times when this one was queued and started. Then this one is forgotten, and the other one yielded. Of several that ask at the same time one gets to run.
   */
  start(attempt: Attempt): Promise<Attempt | undefined>;

  get(id: string): Promise<Attempt | undefined>;

  /** As BuildService.list. */
  list(filter?: AttemptFilter): Promise<AttemptPage>;

  recipe(digest: Digest): Promise<Recipe | undefined>;

  /** Asks the process that runs the attempt to cancel it. */
  requestCancel(id: string): Promise<void>;

  /** The attempts of this process somebody asked to cancel and that have not ended. */
  cancelRequests(): Promise<readonly string[]>;
}

export type RecipeRecord = { readonly digest: Digest; readonly recipe: Recipe };

/** Attempts of a page when the filter does not say, and at most. */
const PAGE_ATTEMPTS = 100;
const PAGE_ATTEMPTS_MAX = 1000;

/** How many attempts a page has at most; at least one, so that each page gets further. */
export function pageSize({ limit = PAGE_ATTEMPTS }: AttemptFilter): number {
  return Math.max(1, Math.min(limit, PAGE_ATTEMPTS_MAX));
}

/** The end of an attempt whose process is gone. */
export const BUILDER_DIED = { reason: "infrastructure", why: "the builder died" } as const;
