/*
The BuildService of this machine. It has recipes executed, in a sandbox here or elsewhere, at most `jobsMax` at a time, the longest chain of work first; keeps their
records and logs where other processes see them; and does for those processes what they ask for, which is to cancel. What another process executes
already is not executed again: its attempt is waited for, and answers.

Failures of the machinery around a builder (the sandbox could not be set up, the store was busy) are tried again a few times within the same
attempt, as long as the builder has said nothing; failures of builders never are.
*/

import { abortable, JobSlots, messageOf, pause, throwIfAborted, untilAborted } from "@firn/base";
import type { CastoreServices, Digest, LeaseService } from "@firn/castore";
import { type Attempt, type AttemptEnd, hasEnded, type Refusal } from "./attempt.ts";
import type { AttemptStore, RecipeRecord } from "./attempt-store.ts";
import { type AttemptStores, LOG_POLL_MS, storedLog, watchStored } from "./attempt-watch.ts";
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
import { CappedLog } from "./capped-log.ts";
import { BuildError } from "./error.ts";
import { type ExecutionParts, type Executor, mayPass, type Outcome, sandboxExecutor } from "./execution.ts";
import { holdForAll, holdOutputs, requireInputs, requireSupport } from "./holding.ts";
import type { LiveLogs } from "./live-logs.ts";
import { MemoryAttempts } from "./memory-attempts.ts";
import { MemoryLogs } from "./memory-logs.ts";
import type { Recipe } from "./recipe.ts";
import type { TiedRecipe } from "./recipe-graph.ts";
import type { Turn } from "./sandbox.ts";
import { endOfFailure, Submissions, type Task, type TaskWork } from "./submissions.ts";

/** How often what other processes ask is looked at while attempts run. */
const REQUESTS_MS = 200;
/** Pauses before what failed around a builder is tried again. */
const RETRY_PAUSES_MS = [50, 250];

/** What is copied at once when a log becomes a blob. */
const COPY_BYTES = 64 * 1024;

export type ExecutingParts = CastoreServices & {
  readonly executor: Executor;
  readonly leases: LeaseService;
  /** Nix system names this machine runs. */
  readonly systems: readonly string[];
  readonly features?: readonly string[];
  /** Attempts running at once; more wait. */
  readonly jobsMax: number;
  /** Where attempts and the logs of those under way are kept; in memory when not said. */
  readonly attempts?: AttemptStore;
  readonly logs?: LiveLogs;
  /** Most bytes of log an attempt keeps. */
  readonly logBytesMax?: number;
  /** Names this builder in its attempts. */
  readonly builder?: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** An id no attempt had before. */
  readonly newId: () => string;
};

export type BuildServiceParts = Omit<ExecutingParts, "executor"> & ExecutionParts;

/** A BuildService that runs its attempts in `parts.sandbox`. */
export function createBuildService(parts: BuildServiceParts): BuildService {
  return executingBuildService({ ...parts, executor: sandboxExecutor(parts) });
}

/** A BuildService whose attempts are executed by `parts.executor`, wherever that is, and kept here. */
export function executingBuildService(parts: ExecutingParts): BuildService {
  return new LocalBuilder(parts);
}

class LocalBuilder implements BuildService, TaskWork {
  readonly supports: BuildServiceSupports;
  readonly builder: string;
  readonly now: () => number;
  readonly newId: () => string;
  readonly #parts: ExecutingParts;
  readonly #attempts: AttemptStore;
  readonly #logs: LiveLogs;
  readonly #stores: AttemptStores;
  /** Programs that run. */
  readonly #slots: JobSlots;
  /** Attempts until their outputs are kept: more than programs run, so that neither waits for the other. */
  readonly #open: JobSlots;
  readonly #submissions: Submissions;
  /** Logs of the attempts running here. */
  readonly #writing = new Map<string, CappedLog>();
  #requests: ReturnType<typeof setInterval> | undefined;

  constructor(parts: ExecutingParts) {
    this.#parts = parts;
    this.#attempts = parts.attempts ?? new MemoryAttempts();
    this.#logs = parts.logs ?? new MemoryLogs();
    this.#stores = { attempts: this.#attempts, logs: this.#logs, blobs: parts.blobs };
    this.#slots = new JobSlots(parts.jobsMax);
    this.#open = new JobSlots(2 * parts.jobsMax);
    this.#submissions = new Submissions(this, parts);
    this.builder = parts.builder ?? parts.executor.name;
    this.now = parts.now;
    this.newId = parts.newId;
    this.supports = { systems: parts.systems, features: parts.features ?? [], isolation: parts.executor.isolation };
  }

  async submit(recipes: readonly SubmittedRecipe[], options: SubmitOptions = {}): Promise<readonly string[]> {
    const tasks = await this.#submissions.submit(recipes, options);
    return tasks.map(({ id }) => id);
  }

  async *watch(id: string, options: WatchOptions = {}): AsyncGenerator<AttemptEvent> {
    const task = this.#submissions.task(id);
    if (task === undefined) {
      yield* watchStored(await this.#need(id), this.#stores, options);
      return;
    }
    for (let phase: AbortSignal | undefined; phase !== task.phase; ) {
      await task.untilStarted(options.signal);
      phase = task.phase;
      if (!phase.aborted || task.attempt.startedAtMs !== undefined) yield* this.#follow(task.attempt, phase, options);
    }
    yield { type: "ended", attempt: await task.untilEnded(options.signal) };
  }

  /** That an attempt runs, and what it says until `phase` fires. */
  async *#follow(
    attempt: Attempt,
    phase: AbortSignal,
    { from = 0, log: withLog = true, buffer, signal }: WatchOptions,
  ): AsyncGenerator<AttemptEvent> {
    yield { type: "started", attempt };
    if (!withLog) return await abortable(untilAborted(phase), signal);
    const either = signal === undefined ? phase : AbortSignal.any([signal, phase]);
    let at = from;
    for (let isLast = false; !isLast; throwIfAborted(signal)) {
      isLast = phase.aborted; // what is read after this is all there is
      const changed = this.#writing.get(attempt.id)?.changed();
      for await (const bytes of storedLog(attempt.id, at, this.#stores, buffer)) {
        at += bytes.length;
        yield { type: "log", bytes, at };
      }
      // Of what another process runs nothing tells that its log has grown. Whether it was the signal is looked at above and below.
      await abortable(changed ?? pause(LOG_POLL_MS), either).catch(() => {});
    }
  }

  async cancel(id: string): Promise<void> {
    const task = this.#submissions.task(id) ?? this.#submissions.task(this.#submissions.answering(id));
    if (task !== undefined) {
      this.#cancel(task);
      await task.untilEnded();
      return;
    }
    const attempt = await this.get(id);
    if (attempt === undefined || hasEnded(attempt)) return;
    await this.#attempts.requestCancel(attempt.id);
    for await (const _ of this.watch(attempt.id, { log: false }));
  }

  async refuse(id: string, end: Refusal): Promise<void> {
    const attempt = await this.#need(id);
    if (attempt.status === "succeeded") await this.#attempts.put({ ...attempt, status: "failed", end });
  }

  async get(id: string): Promise<Attempt | undefined> {
    return this.#submissions.task(id)?.attempt ?? (await this.#attempts.get(this.#submissions.answering(id)));
  }

  list(filter?: AttemptFilter): Promise<AttemptPage> {
    return this.#attempts.list(filter);
  }

  recipe(digest: Digest): Promise<Recipe | undefined> {
    return this.#attempts.recipe(digest);
  }

  requireSupport(recipe: Recipe): void {
    requireSupport(recipe, [this.supports]);
  }

  failed(attempt: Attempt): Promise<void> {
    return this.#attempts.put(attempt);
  }

  async execute(task: Task, recipe: TiedRecipe): Promise<Attempt> {
    for (;;) {
      const attempt = await this.#run(task, recipe);
      if (attempt.id === task.id) return attempt;
      const answer = await this.#endElsewhere(attempt, task);
      if (answer !== undefined) return answer;
      // What answered is not there any more: then it is as if this one were submitted now.
      task.anew({ resolved: attempt.resolved, queuedAtMs: this.now() });
    }
  }

  /** How another attempt ended that answers for the task, in this process or another one; undefined for what is of no use here. */
  async #endElsewhere(other: Attempt, task: Task): Promise<Attempt | undefined> {
    const { lease, leases, cancelled } = task;
    task.attempt = other;
    task.started();
    let attempt = other;
    for await (const event of watchStored(other, this.#stores, { log: false, signal: cancelled.signal }))
      if (event.type === "ended") attempt = event.attempt;
    // Cancelled by those who asked for it, and that was not us; or its process died.
    if (attempt.end?.reason === "cancelled" || attempt.end?.reason === "infrastructure") return undefined;
    if (!(await holdOutputs(attempt, this.#parts, { lease }))) return undefined;
    await holdForAll(attempt, this.#parts, leases);
    return attempt;
  }

  /** Executes the task, or yields another attempt that does or did. */
  async #run(task: Task, recipe: TiedRecipe): Promise<Attempt> {
    await this.#attempts.put(task.attempt, recordsOf(task, recipe));
    const log = new CappedLog(this.#logs.open(task.id), this.#parts.logBytesMax);
    this.#writing.set(task.id, log);
    this.#requests ??= setInterval(() => void this.#hearRequests(), REQUESTS_MS);
    try {
      const outcome = await this.#turn(task, recipe, log);
      if (!("id" in outcome)) return await this.#finish(task, outcome, log);
      await this.#logs.remove(task.id);
      return outcome;
    } finally {
      log.close();
      this.#writing.delete(task.id);
      if (this.#writing.size === 0) {
        clearInterval(this.#requests);
        this.#requests = undefined;
      }
    }
  }

  /** Waits for its turn, then executes the task, unless another attempt does or did. Never rejects. */
  async #turn(task: Task, recipe: TiedRecipe, log: CappedLog): Promise<Outcome | Attempt> {
    const signal = task.cancelled.signal;
    try {
      await this.#open.take(signal, task.chainMs);
      try {
        return await this.#inTurn(task, recipe, log);
      } finally {
        this.#open.release();
      }
    } catch (thrown) {
      return { end: endOfFailure(thrown, signal), outputs: [] };
    }
  }

  /** Takes a slot when all is prepared, and gives it back as soon as the program has ended. */
  async #inTurn(task: Task, recipe: TiedRecipe, log: CappedLog): Promise<Outcome | Attempt> {
    const { signal } = task.cancelled;
    const { lease } = task;
    let isRunning = false;
    let other: Attempt | undefined;
    const begin = async () => {
      if (isRunning) return true;
      try {
        await this.#slots.take(signal, task.chainMs);
      } catch {
        return false; // cancelled
      }
      isRunning = true;
      const running: Attempt = { ...task.attempt, status: "running", startedAtMs: this.now() };
      other = await this.#attempts.start(running);
      if (other !== undefined) return false;
      task.attempt = running;
      task.started();
      return true;
    };
    const end = () => {
      if (isRunning) this.#slots.release();
      isRunning = false;
    };
    try {
      if (task.recipe.inputs.some((input) => "recipe" in input))
        await requireInputs([recipe], this.#parts, { lease, signal });
      const outcome = await this.#try(task, recipe, { log, turn: { begin, end } });
      return other ?? outcome;
    } finally {
      end();
    }
  }

  async #try(
    task: Task,
    recipe: TiedRecipe,
    { log, turn }: { readonly log: CappedLog; readonly turn: Turn },
  ): Promise<Outcome> {
    const signal = task.cancelled.signal;
    const { executor } = this.#parts;
    const { label } = task.attempt;
    const onLog = (bytes: Uint8Array) => log.append(bytes);
    const options = { ...task.options, label, lease: task.lease, signal, onLog, turn };
    for (const ms of RETRY_PAUSES_MS) {
      try {
        return await executor.execute(recipe, options);
      } catch (thrown) {
        if (signal.aborted || log.length > 0 || !mayPass(thrown)) throw thrown;
      }
      await pause(ms, signal);
    }
    return await executor.execute(recipe, options);
  }

  /** Keeps log and outcome, and has everyone hold them who wanted to. */
  async #finish(task: Task, { end: ended, outputs, usage }: Outcome, log: CappedLog): Promise<Attempt> {
    let end: AttemptEnd = ended;
    let logDigest: Digest | undefined;
    try {
      logDigest = await this.#keepLog(task, log.length);
      await holdForAll({ ...task.attempt, log: logDigest, outputs }, this.#parts, task.leases);
    } catch (thrown) {
      if (end.reason === "succeeded") end = { reason: "infrastructure", why: `storing the log: ${messageOf(thrown)}` };
    }
    const attempt: Attempt = {
      ...task.attempt,
      ...usage,
      status: end.reason === "succeeded" ? "succeeded" : "failed",
      endedAtMs: this.now(),
      end,
      log: logDigest,
      logBytes: logDigest === undefined ? undefined : log.length,
      outputs: end.reason === "succeeded" ? outputs : [],
    };
    await this.#attempts.put(attempt);
    if (logDigest !== undefined) await this.#logs.remove(task.id);
    return attempt;
  }

  async #need(id: string): Promise<Attempt> {
    const attempt = await this.get(id);
    if (attempt === undefined) throw new BuildError("unknown-attempt", `no attempt ${JSON.stringify(id)} is known`);
    return attempt;
  }

  async #keepLog({ id, lease }: Task, bytesMax: number): Promise<Digest> {
    await using writer = this.#parts.blobs.openWrite({ lease });
    const buffer = new Uint8Array(Math.min(COPY_BYTES, bytesMax));
    let at = 0;
    for (;;) {
      const bytes = await this.#logs.read(id, at, buffer);
      if (bytes === undefined || bytes.length === 0) break;
      await writer.write(bytes);
      at += bytes.length;
    }
    return await writer.close();
  }

  #cancel(task: Task): void {
    task.cancelled.abort(new Error("cancelled"));
    this.#submissions.task(task.attempt.id)?.cancelled.abort(new Error("cancelled"));
  }

  async #hearRequests(): Promise<void> {
    // A store that cannot be read now can be asked again.
    for (const id of await this.#attempts.cancelRequests().catch(() => [])) {
      const task = this.#submissions.task(id);
      if (task !== undefined) this.#cancel(task);
    }
  }
}

function recordsOf({ digest, recipe, tiedFrom, attempt }: Task, tied: TiedRecipe): RecipeRecord[] {
  const resolved = attempt.resolved as Digest;
  const records: RecipeRecord[] = [{ digest, recipe }];
  if (resolved !== digest) records.push({ digest: resolved, recipe: tied });
  if (tiedFrom !== undefined) records.push({ digest: attempt.recipe, recipe: tiedFrom });
  return records;
}
