/*
Several builders as one. Each recipe goes, when its inputs are known, to a member that can execute it: one on this machine when that is preferred,
else the one with the least to do for its size. What a member's machinery could not bring to its end is given to another one. All members see the
same store.

Attempts are the members' own, under their ids; only what never got as far as a member is put down here.
*/

import type { CastoreServices, Digest, LeaseService } from "@firn/castore";
import type { Attempt, Refusal } from "./attempt.ts";
import { type AttemptStore, pageSize } from "./attempt-store.ts";
import type {
  AttemptEvent,
  AttemptFilter,
  AttemptPage,
  BuildService,
  BuildServiceSupports,
  SubmitOptions,
  SubmittedRecipe,
  WatchOptions,
} from "./build-service.ts";
import { BuildError } from "./error.ts";
import { holdForAll, isSupported, requireSupport } from "./holding.ts";
import { MemoryAttempts } from "./memory-attempts.ts";
import type { TiedRecipe } from "./recipe-graph.ts";
import type { Recipe } from "./recipe.ts";
import { Submissions, type Task, type TaskWork } from "./submissions.ts";

export type BalancedMember = {
  readonly service: BuildService;
  /** How many attempts it runs at once. */
  readonly jobsMax: number;
  /** Whether it runs on this machine. */
  readonly isLocal: boolean;
};

export type BalancedBuilderParts = CastoreServices & {
  readonly members: readonly BalancedMember[];
  /** Where all members keep their attempts, if that is one place. */
  readonly attempts?: AttemptStore;
  readonly leases: LeaseService;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** An id no attempt had before. */
  readonly newId: () => string;
};

/** A BuildService over others. */
export function balancedBuildService(parts: BalancedBuilderParts): BuildService {
  return new BalancedBuilder(parts);
}

class BalancedBuilder implements BuildService, TaskWork {
  readonly builder = "balanced";
  readonly supports: BuildServiceSupports;
  readonly now: () => number;
  readonly newId: () => string;
  readonly #parts: BalancedBuilderParts;
  readonly #submissions: Submissions;
  readonly #unplaced: AttemptStore;
  /** Who executes the attempts under way that came from here. */
  readonly #placed = new Map<string, BuildService>();
  /** How many these are of each member. */
  readonly #load = new Map<BalancedMember, number>();

  constructor(parts: BalancedBuilderParts) {
    this.#parts = parts;
    this.now = parts.now;
    this.newId = parts.newId;
    this.#submissions = new Submissions(this, parts);
    this.#unplaced = parts.attempts ?? new MemoryAttempts();
    const all = parts.members.map(({ service }) => service.supports);
    const everywhere = (kind: keyof BuildServiceSupports["isolation"]) => all.every(({ isolation }) => isolation[kind]);
    this.supports = {
      systems: [...new Set(all.flatMap(({ systems }) => systems))],
      features: [...new Set(all.flatMap(({ features }) => features))],
      isolation: { files: everywhere("files"), network: everywhere("network"), processes: everywhere("processes") },
    };
  }

  async submit(recipes: readonly SubmittedRecipe[], options: SubmitOptions = {}): Promise<readonly string[]> {
    const tasks = await this.#submissions.submit(recipes, options);
    return tasks.map(({ id }) => id);
  }

  async *watch(id: string, options: WatchOptions = {}): AsyncGenerator<AttemptEvent> {
    const task = this.#submissions.task(id);
    if (task === undefined) {
      const attempt = await this.#need(id);
      const service = await this.#memberOf(attempt.id);
      if (service === undefined) yield { type: "ended", attempt };
      else yield* service.watch(attempt.id, options);
      return;
    }
    for (let phase: AbortSignal | undefined; phase !== task.phase; ) {
      await task.untilStarted(options.signal);
      phase = task.phase;
      const { id: at } = task.attempt;
      const service = await this.#memberOf(at);
      if (service !== undefined) yield* follow(at, service, task, options);
    }
    yield { type: "ended", attempt: await task.untilEnded(options.signal) };
  }

  async cancel(id: string): Promise<void> {
    const task = this.#submissions.task(id);
    if (task !== undefined) {
      task.cancelled.abort(new Error("cancelled"));
      await task.untilEnded();
      return;
    }
    const attempt = await this.get(id);
    if (attempt !== undefined) await (await this.#memberOf(attempt.id))?.cancel(attempt.id);
  }

  async refuse(id: string, refusal: Refusal): Promise<void> {
    const attempt = await this.#need(id);
    await (await this.#memberOf(attempt.id))?.refuse(attempt.id, refusal);
  }

  async get(id: string): Promise<Attempt | undefined> {
    const task = this.#submissions.task(id);
    if (task !== undefined) return task.attempt;
    const known = this.#submissions.answering(id);
    for (const source of this.#sources()) {
      const attempt = await source.get(known);
      if (attempt !== undefined) return attempt;
    }
    return undefined;
  }

  /** A cursor says for each source from where it is read, and how many of that page were shown already. */
  async list(filter: AttemptFilter = {}): Promise<AttemptPage> {
    const limit = pageSize(filter);
    const sources = this.#sources();
    const places = placesOf(filter.cursor, sources.length);
    const read = async (index: number) => {
      const { from, shown } = places[index];
      const page = await sources[index].list({ ...filter, cursor: from, limit: limit + shown });
      return { from, shown, attempts: page.attempts.slice(shown), next: page.next };
    };
    const pages = await Promise.all(sources.map((_, index) => read(index)));
    const rows = pages.flatMap(({ attempts }, source) => attempts.map((attempt) => ({ attempt, source })));
    rows.sort((a, b) => b.attempt.queuedAtMs - a.attempt.queuedAtMs);
    const shown = rows.slice(0, limit);
    const after = pages.map((page, source): Place => {
      const taken = shown.filter((row) => row.source === source).length;
      const isWhole = taken === page.attempts.length && page.next !== undefined;
      return isWhole ? { from: page.next, shown: 0 } : { from: page.from, shown: page.shown + taken };
    });
    const hasMore = rows.length > limit || pages.some(({ next }) => next !== undefined);
    return { attempts: shown.map(({ attempt }) => attempt), next: hasMore ? JSON.stringify(after) : undefined };
  }

  async recipe(digest: Digest): Promise<Recipe | undefined> {
    for (const source of this.#sources()) {
      const recipe = await source.recipe(digest);
      if (recipe !== undefined) return recipe;
    }
    return undefined;
  }

  requireSupport(recipe: Recipe): void {
    const supports = this.#parts.members.map(({ service }) => service.supports);
    requireSupport(recipe, supports);
  }

  failed(attempt: Attempt): Promise<void> {
    return this.#unplaced.put(attempt);
  }

  async execute(task: Task, recipe: TiedRecipe): Promise<Attempt> {
    const tried = new Set<BalancedMember>();
    for (;;) {
      const member = this.#choose(recipe, task.options.preferLocal === true, tried) as BalancedMember;
      tried.add(member);
      this.#load.set(member, (this.#load.get(member) ?? 0) + 1);
      let attempt: Attempt;
      try {
        attempt = await this.#executeAt(member.service, task, recipe);
      } finally {
        this.#load.set(member, (this.#load.get(member) as number) - 1);
      }
      const mayPassElsewhere = attempt.end?.reason === "infrastructure" && !task.cancelled.signal.aborted;
      if (mayPassElsewhere && this.#choose(recipe, false, tried) !== undefined) {
        task.anew({ resolved: task.attempt.resolved });
        continue;
      }
      await holdForAll(attempt, this.#parts, task.leases);
      return attempt;
    }
  }

  async #executeAt(service: BuildService, task: Task, recipe: TiedRecipe): Promise<Attempt> {
    const { attempt, chainMs, recipe: submitted, options } = task;
    const tiedFrom = submitted.inputs.some((input) => "recipe" in input) ? submitted : task.tiedFrom;
    const call = { ...options, lease: task.lease, signal: task.cancelled.signal };
    const [id] = await service.submit([{ recipe, label: attempt.label, chainMs, tiedFrom }], call);
    this.#placed.set(id, service);
    try {
      for await (const event of service.watch(id, { log: false })) {
        if (event.type === "log") continue;
        task.attempt = event.attempt;
        task.started();
        if (event.type === "ended") return event.attempt;
      }
    } finally {
      this.#placed.delete(id);
    }
    throw new BuildError("unknown-attempt", `the builder stopped reporting on attempt ${id} before it ended`);
  }

  #choose(recipe: TiedRecipe, preferLocal: boolean, tried: ReadonlySet<BalancedMember>): BalancedMember | undefined {
    const loadOf = (member: BalancedMember) => (this.#load.get(member) ?? 0) / member.jobsMax;
    const able = this.#parts.members.filter((one) => !tried.has(one) && isSupported(recipe, one.service.supports));
    const local = preferLocal ? able.filter(({ isLocal }) => isLocal) : [];
    return (local.length > 0 ? local : able).toSorted((a, b) => loadOf(a) - loadOf(b)).at(0);
  }

  #sources(): readonly Pick<BuildService, "get" | "list" | "recipe">[] {
    const { attempts, members } = this.#parts;
    return attempts === undefined ? [...members.map(({ service }) => service), this.#unplaced] : [attempts];
  }

  async #memberOf(id: string): Promise<BuildService | undefined> {
    const placed = this.#placed.get(id);
    if (placed !== undefined) return placed;
    for (const { service } of this.#parts.members) if ((await service.get(id)) !== undefined) return service;
    return undefined;
  }

  async #need(id: string): Promise<Attempt> {
    const attempt = await this.get(id);
    if (attempt === undefined) throw new BuildError("unknown-attempt", `no attempt ${JSON.stringify(id)} is known`);
    return attempt;
  }
}

/** What a member tells of an attempt that answers for the task, but its end; until another one does. */
async function* follow(
  id: string,
  service: BuildService,
  task: Task,
  options: WatchOptions,
): AsyncGenerator<AttemptEvent> {
  const { phase } = task;
  const left = new AbortController();
  const onPast = () => task.attempt.id !== id && left.abort();
  phase.addEventListener("abort", onPast, { once: true });
  onPast();
  const signal = options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
  try {
    for await (const event of service.watch(id, { ...options, signal })) if (event.type !== "ended") yield event;
  } catch (thrown) {
    if (!left.signal.aborted || options.signal?.aborted) throw thrown;
  } finally {
    phase.removeEventListener("abort", onPast);
  }
}

type Place = { readonly from?: string; readonly shown: number };

function placesOf(cursor: string | undefined, count: number): Place[] {
  if (cursor === undefined) return Array.from({ length: count }, () => ({ shown: 0 }));
  try {
    const places = JSON.parse(cursor) as Place[];
    const isPlace = ({ from, shown }: Place) => (from === undefined || typeof from === "string") && shown >= 0;
    if (places.length === count && places.every(isPlace)) return places;
  } catch {
    // said below
  }
  throw new BuildError("unknown-attempt", `${JSON.stringify(cursor)} is no place in a list of attempts`);
}
