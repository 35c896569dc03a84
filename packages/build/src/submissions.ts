/*
What the builders have in common: tasks made of submissions. A task is one recipe somebody waits for. It waits for the recipes it needs, is tied
to nodes, and then answered: by an execution, by an earlier success, or by another task that turned out to be the same. Equal recipes are one task
however often they are submitted while it is under way.

How a task is executed and how an earlier success is found is the builder's own affair (`TaskWork`).
*/

import { abortable, throwIfAborted } from "@firn/base";
import { type CastoreServices, type Digest, type Lease, type LeaseService, LruMap } from "@firn/castore";
import { type Attempt, type AttemptEnd, type AttemptOutput, hasEnded } from "./attempt.ts";
import type { AttemptFilter, AttemptPage, SubmitOptions, SubmittedRecipe } from "./build-service.ts";
import { BuildError } from "./error.ts";
import { holdForAll, holdOutputs, requireInputs } from "./holding.ts";
import { expectedDuration, lastSuccess } from "./last-success.ts";
import { chainsOf, digestsOf, neededRecipes, tied, type TiedRecipe } from "./recipe-graph.ts";
import type { Recipe } from "./recipe.ts";
import { recipeDigest } from "./recipe-digest.ts";

/** Ids of tasks that were answered by another attempt, and are still known. */
const ANSWERS_MAX = 100_000;

export interface TaskWork {
  readonly builder: string;
  readonly now: () => number;
  readonly newId: () => string;
  /** Throws `unsupported` for what cannot be executed here. */
  requireSupport(recipe: Recipe): void;
  /** As BuildService.list. */
  list(filter?: AttemptFilter): Promise<AttemptPage>;
  /** Executes the task to its end. Sets `task.attempt` and calls `task.started` on its way. Rejects only when it could not even begin. */
  execute(task: Task, recipe: TiedRecipe): Promise<Attempt>;
  /** A task failed before it was executed. */
  failed(attempt: Attempt): Promise<void>;
}

/** Where inputs and outputs are. */
type Stores = CastoreServices & { readonly leases: LeaseService };

export class Task {
  readonly id: string;
  readonly recipe: Recipe;
  readonly digest: Digest;
  readonly tiedFrom: Recipe | undefined;
  /** Of the submission it was made for. */
  readonly options: SubmitOptions;
  /** The lease of that submission: holds what is found and made until it is done. */
  readonly lease: Lease;
  readonly chainMs: number;
  readonly cancelled = new AbortController();
  /** Of those who wait for it. */
  readonly leases = new Set<Lease>();
  /** As it was submitted. */
  readonly first: Attempt;
  /** As it is now; another id than the task's when another attempt answers. */
  attempt: Attempt;
  /** Submissions that were not withdrawn. */
  submissions = 0;
  hasEnded = false;
  #started = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Attempt>();
  #phase = new AbortController();

  constructor(parts: {
    readonly attempt: Attempt;
    readonly digest: Digest;
    readonly recipe: Recipe;
    readonly tiedFrom: Recipe | undefined;
    readonly options: SubmitOptions;
    readonly lease: Lease;
    readonly chainMs: number;
  }) {
    this.id = parts.attempt.id;
    this.first = parts.attempt;
    this.attempt = parts.attempt;
    this.recipe = parts.recipe;
    this.digest = parts.digest;
    this.tiedFrom = parts.tiedFrom;
    this.options = parts.options;
    this.lease = parts.lease;
    this.chainMs = parts.chainMs;
  }

  /** Says that it is known now which attempt answers, and that this one runs. */
  started(): void {
    this.#started.resolve();
  }

  /** What answered is of no use: as it was submitted, it waits again. */
  anew(change: Partial<Attempt>): void {
    this.attempt = { ...this.first, ...change };
    this.#started = Promise.withResolvers();
    this.#phase.abort();
    this.#phase = new AbortController();
  }

  /** Fires when `attempt` says nothing about the task any more, but what it came to: when this has ended, or begins anew. */
  get phase(): AbortSignal {
    return this.#phase.signal;
  }

  /** Resolves when it was started or ended. */
  untilStarted(signal?: AbortSignal): Promise<void> {
    return abortable(this.#started.promise, signal);
  }

  untilEnded(signal?: AbortSignal): Promise<Attempt> {
    return abortable(this.#ended.promise, signal);
  }

  end(attempt: Attempt): void {
    this.attempt = attempt;
    this.hasEnded = true;
    this.#phase.abort();
    this.#started.resolve();
    this.#ended.resolve(attempt);
  }
}

type Needed = Task | { readonly outputs: readonly AttemptOutput[] };

export class Submissions {
  readonly #work: TaskWork;
  readonly #stores: Stores;
  /** By id, until they ended. */
  readonly #tasks = new Map<string, Task>();
  readonly #byRecipe = new Map<Digest, Task>();
  /** Being executed, by recipe as tied. */
  readonly #executing = new Map<Digest, Task>();
  /** Attempts by the id of the ended task they answered for. */
  readonly #answers = new LruMap<string, string>(ANSWERS_MAX);

  constructor(work: TaskWork, stores: Stores) {
    this.#work = work;
    this.#stores = stores;
  }

  /** A task under way. */
  task(id: string): Task | undefined {
    return this.#tasks.get(id);
  }

  /** The id of the attempt that answered for this one. */
  answering(id: string): string {
    return this.#answers.get(id) ?? id;
  }

  /** As BuildService.submit. */
  async submit(recipes: readonly SubmittedRecipe[], options: SubmitOptions): Promise<Task[]> {
    throwIfAborted(options.signal);
    const digests = digestsOf(recipes);
    for (const { recipe } of recipes) this.#work.requireSupport(recipe);
    const lease = await this.#stores.leases.openLease(
      `build ${recipes[0]?.label ?? digests[0]?.slice(0, 12) ?? "nothing"}`,
    );
    let made: Task[] = [];
    try {
      const all = recipes.map(({ recipe }) => recipe);
      await requireInputs(all, this.#stores, { lease, signal: options.signal });
      const needed = await this.#findNeeded(recipes, digests, lease);
      const expected = recipes.length === 1 ? [] : await this.#expectedOf(recipes);
      await this.#afterCancelled(digests, options.signal);
      // From here on without a pause, so that nothing ends in between.
      const chains = chainsOf(recipes, digests, expected);
      const tasks = digests.map((digest, index) => {
        const known = this.#byRecipe.get(digest);
        if (known !== undefined) return known;
        const task = this.#make(recipes[index], digest, options, lease, chains[index]);
        made = [...made, task];
        return task;
      });
      const submission = new Submission(new Set(tasks), options);
      for (const task of made) void this.#advance(task, needed);
      submission.follow();
      return tasks;
    } finally {
      const release = async () => await lease.release().catch(() => {}); // one that cannot be released becomes stale by itself
      if (made.length === 0) await release();
      else void Promise.all(made.map((task) => task.untilEnded())).then(release);
    }
  }

  #make(
    { recipe, label, tiedFrom }: SubmittedRecipe,
    digest: Digest,
    options: SubmitOptions,
    lease: Lease,
    chainMs: number,
  ): Task {
    const attempt: Attempt = {
      id: this.#work.newId(),
      recipe: tiedFrom === undefined ? digest : recipeDigest(tiedFrom),
      label: label ?? digest.slice(0, 12),
      builder: this.#work.builder,
      status: "waiting",
      queuedAtMs: this.#work.now(),
      outputs: [],
    };
    const task = new Task({ attempt, digest, recipe, tiedFrom, options, lease, chainMs });
    this.#tasks.set(task.id, task);
    this.#byRecipe.set(digest, task);
    return task;
  }

  /** What the recipes need that is not submitted with them: under way, or built before. Throws `missing-input`. */
  async #findNeeded(
    recipes: readonly SubmittedRecipe[],
    digests: readonly Digest[],
    lease: Lease,
  ): Promise<Map<Digest, Needed>> {
    const submitted = new Set(digests);
    const needed = new Map<Digest, Needed>();
    for (const { recipe } of recipes) {
      for (const digest of neededRecipes(recipe)) {
        if (submitted.has(digest) || needed.has(digest)) continue;
        const found = this.#byRecipe.get(digest) ?? (await this.#earlier(digest, lease));
        if (found === undefined) {
          const message = `an input is an output of recipe ${digest}, which was not built here, or its outputs are gone`;
          throw new BuildError("missing-input", message, { context: { recipe: digest } });
        }
        needed.set(digest, found);
      }
    }
    return needed;
  }

  async #expectedOf(recipes: readonly SubmittedRecipe[]): Promise<(number | undefined)[]> {
    const expected: (number | undefined)[] = [];
    for (const { label } of recipes)
      expected.push(label === undefined ? undefined : await expectedDuration(this.#work, label));
    return expected;
  }

  /** The newest success of a recipe, as submitted or as tied, whose outputs are all still there, and then held. */
  async #earlier(recipe: Digest, lease: Lease): Promise<Attempt | undefined> {
    const attempt = await lastSuccess(this.#work, { recipe });
    return attempt !== undefined && (await holdOutputs(attempt, this.#stores, { lease })) ? attempt : undefined;
  }

  /** Tasks that are being cancelled are for others: a new submission deserves its own. None is left when this resolves. */
  async #afterCancelled(digests: readonly Digest[], signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const tasks = digests.map((digest) => this.#byRecipe.get(digest));
      const cancelled = tasks.find((task) => task?.cancelled.signal.aborted);
      if (cancelled === undefined) return;
      await cancelled.untilEnded(signal);
    }
  }

  /** Takes a task to its end. Never rejects. */
  async #advance(task: Task, needed: ReadonlyMap<Digest, Needed>): Promise<void> {
    let attempt: Attempt;
    try {
      const outputs = await this.#outputsNeeded(task, needed);
      attempt =
        "reason" in outputs ? this.#failed(task, outputs) : await this.#answer(task, tied(task.recipe, outputs));
    } catch (thrown) {
      attempt = this.#failed(task, endOfFailure(thrown, task.cancelled.signal));
    }
    if (attempt.id !== task.id) this.#answers.set(task.id, attempt.id, 1);
    this.#tasks.delete(task.id);
    if (this.#byRecipe.get(task.digest) === task) this.#byRecipe.delete(task.digest);
    task.end(attempt);
  }

  /** The outputs of all recipes it needs, or how it ends without them. */
  async #outputsNeeded(
    task: Task,
    needed: ReadonlyMap<Digest, Needed>,
  ): Promise<Map<Digest, readonly AttemptOutput[]> | AttemptEnd> {
    const found = new Map<Digest, readonly AttemptOutput[]>();
    const waiting = new Map<Digest, Task>();
    for (const digest of neededRecipes(task.recipe)) {
      const source = needed.get(digest) ?? (this.#byRecipe.get(digest) as Task);
      if (source instanceof Task) waiting.set(digest, source);
      else found.set(digest, source.outputs);
    }
    const failure = Promise.withResolvers<AttemptEnd>();
    const wait = async ([digest, source]: [Digest, Task]) => {
      const { id, status, outputs } = await source.untilEnded();
      if (status === "failed") failure.resolve({ reason: "dependency", attempt: id });
      found.set(digest, outputs);
    };
    const all = Promise.all(Array.from(waiting, wait)).then(() => found);
    return await abortable(Promise.race([failure.promise, all]), task.cancelled.signal);
  }

  /** By an earlier success, another task or an execution. */
  async #answer(task: Task, recipe: TiedRecipe): Promise<Attempt> {
    const signal = task.cancelled.signal;
    const resolved = neededRecipes(task.recipe).size === 0 ? task.digest : recipeDigest(recipe);
    task.attempt = { ...task.attempt, resolved };
    for (let other = this.#executing.get(resolved); other !== undefined; other = this.#executing.get(resolved)) {
      await other.untilStarted(signal);
      task.attempt = other.attempt;
      task.started();
      const attempt = await other.untilEnded(signal);
      // Cancelled by those who asked for it, and that was not us.
      if (attempt.end?.reason !== "cancelled") return await this.#held(attempt, task);
      task.anew({ resolved });
    }
    this.#executing.set(resolved, task);
    try {
      const earlier = task.options.reuse === "success" ? await this.#earlier(resolved, task.lease) : undefined;
      throwIfAborted(signal);
      return await (earlier === undefined ? this.#work.execute(task, recipe) : this.#held(earlier, task));
    } finally {
      this.#executing.delete(resolved);
    }
  }

  async #held(attempt: Attempt, task: Task): Promise<Attempt> {
    await holdForAll(attempt, this.#stores, task.leases);
    return attempt;
  }

  #failed(task: Task, end: AttemptEnd): Attempt {
    const attempt: Attempt = { ...task.first, status: "failed", endedAtMs: this.#work.now(), end };
    // Not waited for: those who need it learn the reason before anybody withdraws them.
    void this.#work.failed(attempt).catch(() => {});
    return attempt;
  }
}

/** The tasks of one submission, as long as whoever submitted them wants them. */
class Submission {
  readonly #tasks: ReadonlySet<Task>;
  readonly #options: SubmitOptions;
  #withdrawn = false;

  constructor(tasks: ReadonlySet<Task>, options: SubmitOptions) {
    this.#tasks = tasks;
    this.#options = options;
    for (const task of tasks) {
      task.submissions++;
      if (options.lease !== undefined) task.leases.add(options.lease);
    }
  }

  /** Hears the signal, and failures, until all tasks have ended. */
  follow(): void {
    const { signal, keepGoing } = this.#options;
    const onAbort = () => this.#withdraw(signal?.reason);
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    const ends = Array.from(this.#tasks, async (task) => {
      const { status } = await task.untilEnded();
      // The dependency that failed is a better reason than this, and is told in the same turn.
      if (status === "failed" && !keepGoing) setTimeout(() => this.#withdraw(new Error("another attempt failed")), 0);
    });
    void Promise.all(ends).then(() => signal?.removeEventListener("abort", onAbort));
  }

  #withdraw(reason: unknown): void {
    if (this.#withdrawn) return;
    this.#withdrawn = true;
    for (const task of this.#tasks) {
      if (!hasEnded(task.attempt) && --task.submissions === 0) task.cancelled.abort(reason);
    }
  }
}

/** How an attempt ended when something was thrown on its way. */
export function endOfFailure(thrown: unknown, signal: AbortSignal): AttemptEnd {
  if (signal.aborted) return { reason: "cancelled" };
  return { reason: "infrastructure", why: thrown instanceof Error ? thrown.message : String(thrown) };
}
