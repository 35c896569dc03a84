/* Attempts in memory: of one process, gone with it, and of the ended ones only the newest. */

import type { Digest } from "@firn/castore";
import { type Attempt, hasEnded } from "./attempt.ts";
import { type AttemptStore, pageSize, type RecipeRecord } from "./attempt-store.ts";
import type { AttemptFilter, AttemptPage } from "./build-service.ts";
import type { Recipe } from "./recipe.ts";

/** How many ended attempts are remembered when nothing is said. */
const ENDED_MAX = 10_000;

export class MemoryAttempts implements AttemptStore {
  /** In the order they came. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #recipes = new Map<Digest, Recipe>();
  readonly #cancelRequests = new Set<string>();
  readonly #endedMax: number;

  constructor(endedMax = ENDED_MAX) {
    this.#endedMax = endedMax;
  }

  async put(attempt: Attempt, recipes: readonly RecipeRecord[] = []): Promise<void> {
    for (const { digest, recipe } of recipes) this.#recipes.set(digest, recipe);
    this.#attempts.set(attempt.id, attempt);
    if (!hasEnded(attempt)) return;
    this.#cancelRequests.delete(attempt.id);
    if (this.#attempts.size > this.#endedMax) this.#forgetOldest();
  }

  async start(attempt: Attempt): Promise<Attempt | undefined> {
    const { queuedAtMs, startedAtMs = queuedAtMs } = attempt;
    const isEqual = ({ id, resolved, status, endedAtMs = 0 }: Attempt) =>
      id !== attempt.id &&
      resolved !== undefined &&
      resolved === attempt.resolved &&
      (status === "running" || (status === "succeeded" && endedAtMs > queuedAtMs && endedAtMs <= startedAtMs));
    const other = this.#attempts.values().find(isEqual);
    if (other === undefined) await this.put(attempt);
    else this.#attempts.delete(attempt.id);
    return other;
  }

  async get(id: string): Promise<Attempt | undefined> {
    return this.#attempts.get(id);
  }

  async list(filter: AttemptFilter = {}): Promise<AttemptPage> {
    const limit = pageSize(filter);
    const attempts: Attempt[] = [];
    let isPast = filter.cursor === undefined;
    for (const attempt of [...this.#attempts.values()].reverse()) {
      if (isPast && matches(attempt, filter)) {
        if (attempts.length === limit) return { attempts, next: attempts[limit - 1].id };
        attempts.push(attempt);
      }
      isPast ||= attempt.id === filter.cursor;
    }
    return { attempts };
  }

  async recipe(digest: Digest): Promise<Recipe | undefined> {
    return this.#recipes.get(digest);
  }

  async requestCancel(id: string): Promise<void> {
    const attempt = this.#attempts.get(id);
    if (attempt !== undefined && !hasEnded(attempt)) this.#cancelRequests.add(id);
  }

  async cancelRequests(): Promise<readonly string[]> {
    return [...this.#cancelRequests];
  }

  #forgetOldest(): void {
    for (const [id, attempt] of this.#attempts) {
      if (!hasEnded(attempt)) continue;
      this.#attempts.delete(id);
      const isNeeded = (digest: Digest) =>
        this.#attempts.values().some(({ recipe, resolved }) => recipe === digest || resolved === digest);
      for (const digest of [attempt.recipe, attempt.resolved])
        if (digest !== undefined && !isNeeded(digest)) this.#recipes.delete(digest);
      return;
    }
  }
}

function matches(attempt: Attempt, { recipe, label, status, idPrefix, sinceMs }: AttemptFilter): boolean {
  return (
    (recipe === undefined || attempt.recipe === recipe || attempt.resolved === recipe) &&
    (label === undefined || attempt.label === label) &&
    (status === undefined || attempt.status === status) &&
    (idPrefix === undefined || attempt.id.startsWith(idPrefix)) &&
    (sinceMs === undefined || attempt.queuedAtMs >= sinceMs)
  );
}
