/*
The walk over a plan: steps are built when what they need is. The scheduling is one process's; limits of the machine are the build service's.

A step is built once however many wait for it, and two calls that build the same derivation at the same time join the same attempt, since
they submit the same recipe.

A plan may grow: with targets that come while the first are being built, as an evaluation finds them; and where a derivation needs outputs of one
that is an output itself, that one is read when it is built, and what it takes is planned then, before the step that needs it gets its turn.
*/

import { assert, type ByteString } from "@firn/base";
import type { AttemptLimits } from "@firn/build";
import type { Derivation } from "@firn/nix-compat";
import type { BuildCounts, BuildEvent } from "./build-event.ts";
import { derivationFailure } from "./build-failure.ts";
import { BuildOrder } from "./build-order.ts";
import type { BuildPlan, BuildStep, BuildTarget } from "./build-plan.ts";
import { buildStep, type StepParts } from "./build-step.ts";
import type { RecipeOptions } from "./builder-environment.ts";
import { nextTargets } from "./dynamic-targets.ts";
import { GlueError } from "./error.ts";
import type { RealisedOutputs } from "./realised-outputs.ts";

export type RunOptions = Omit<RecipeOptions, "storeDir" | "graphs"> &
  AttemptLimits & {
    readonly signal?: AbortSignal;
    /** Derivations built at once, 1 when not said. */
    readonly jobsMax?: number;
    /** After a failure goes on with everything that does not need what failed. */
    readonly keepGoing?: boolean;
    readonly onEvent?: (event: BuildEvent) => void;
    /** Log events are only to show where builders are: of lines that come fast, the last ones are told. */
    readonly lastLinesOnly?: boolean;
  };

export type Planning = (targets: readonly BuildTarget[], signal: AbortSignal) => Promise<BuildPlan>;

/** One walk over a plan that grows. */
export class GraphRun {
  readonly #steps = new Map<ByteString, BuildStep>();
  readonly #derivations = new Map<ByteString, Derivation>();
  readonly #planning: Planning;
  readonly #realised: RealisedOutputs;
  readonly #parts: StepParts;
  readonly #options: RunOptions;
  readonly #dependents = new Map<ByteString, ByteString[]>();
  /** How many dependencies a step still waits for. */
  readonly #waiting = new Map<ByteString, number>();
  readonly #order: BuildOrder;
  readonly #failures: GlueError[] = [];
  readonly #failed = new Set<ByteString>();
  readonly #stop = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #fatal: { readonly thrown: unknown } | undefined;
  readonly #done = new Set<ByteString>();
  #running = 0;
  /** Whether targets that came are being planned for, which reads, and may bring paths. */
  #isPlanning = false;
  /** Whether more targets may come. */
  #isOpen = true;

  constructor(planning: Planning, realised: RealisedOutputs, parts: StepParts, options: RunOptions) {
    assert((options.jobsMax ?? 1) >= 1, "at least one job may run");
    this.#planning = planning;
    this.#realised = realised;
    this.#parts = parts;
    this.#options = options;
    this.#order = new BuildOrder(parts.buildService);
  }

  /** A derivation that was planned with; its text is not read again. */
  derivation(drvPath: ByteString): Derivation | undefined {
    return this.#derivations.get(drvPath);
  }

  async run(batches: AsyncIterable<readonly BuildTarget[]>): Promise<void> {
    const { signal } = this.#options;
    const onAbort = () => this.#stopWith(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal?.aborted) onAbort();
      void this.#feed(batches);
      await this.#ended.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    if (signal?.aborted) throw signal.reason;
    if (this.#fatal !== undefined) throw this.#fatal.thrown;
    const [first] = this.#failures;
    if (first !== undefined) throw this.#failures.length === 1 ? first : severalFailures(this.#failures);
    const left = [...this.#steps.keys()].filter((drvPath) => !this.#done.has(drvPath));
    if (left.length > 0)
      throw new GlueError("invalid-derivation", `these derivations need outputs of each other: ${left.join(", ")}`);
  }

  /** Takes targets as they come. Never rejects. */
  async #feed(batches: AsyncIterable<readonly BuildTarget[]>): Promise<void> {
    try {
      for await (const batch of batches) {
        if (!this.#stop.signal.aborted) await this.#take(batch);
        if (this.#stop.signal.aborted) break;
      }
    } catch (thrown) {
      this.#giveUp(thrown);
    }
    this.#isOpen = false;
    this.#startReady();
  }

  /** Plans for targets and starts what can be. */
  async #take(targets: readonly BuildTarget[]): Promise<void> {
    this.#isPlanning = true;
    try {
      const plan = await this.#planning(targets, this.#stop.signal);
      // Where all can be built at once there is nothing to choose.
      const all = this.#steps.size + plan.steps.size;
      if (all > (this.#options.jobsMax ?? 1)) await this.#order.learn(plan.steps.values());
      if (!this.#stop.signal.aborted) this.#add(plan);
    } catch (thrown) {
      this.#giveUp(thrown);
    }
    this.#isPlanning = false;
    this.#startReady();
  }

  /** For what is no derivation's fault. After a stop it is that, seen from elsewhere. */
  #giveUp(thrown: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#fatal = { thrown };
    this.#stop.abort(thrown);
  }

  #stopWith(reason: unknown): void {
    this.#stop.abort(reason);
    this.#startReady();
  }

  /** Takes in what is new of a plan. */
  #add(plan: BuildPlan): void {
    for (const [drvPath, derivation] of plan.derivations) this.#derivations.set(drvPath, derivation);
    const fresh = [...plan.steps.values()].filter(({ drvPath }) => !this.#steps.has(drvPath));
    if (fresh.length === 0) return;
    for (const step of fresh) this.#steps.set(step.drvPath, step);
    this.#order.plan(this.#steps);
    this.#reportPlanned(fresh);
    for (const step of fresh) {
      const failed = step.dependencies.find((dependency) => this.#failed.has(dependency));
      if (failed === undefined)
        this.#await(
          step,
          step.dependencies.filter((dependency) => this.#isAhead(dependency)),
        );
      else this.#failBecause(step, failed, 0);
    }
  }

  /** Whether it is still to be built, or being built. */
  #isAhead(drvPath: ByteString): boolean {
    return this.#steps.has(drvPath) && !this.#done.has(drvPath);
  }

  /** The step gets its turn when these were built. */
  #await(step: BuildStep, dependencies: readonly ByteString[]): void {
    this.#waiting.set(step.drvPath, dependencies.length);
    if (dependencies.length === 0) this.#order.push(step);
    for (const dependency of dependencies) {
      const dependents = this.#dependents.get(dependency);
      if (dependents === undefined) this.#dependents.set(dependency, [step.drvPath]);
      else dependents.push(step.drvPath);
    }
  }

  #reportPlanned(steps: Iterable<BuildStep>): void {
    const derivations = Array.from(steps, ({ drvPath, derivation, dependencies }) => ({
      drvPath,
      name: derivation.name,
      dependencies,
    }));
    this.#options.onEvent?.({ type: "planned", derivations, counts: this.#counts() });
  }

  #startReady(): void {
    while (this.#running < (this.#options.jobsMax ?? 1) && !this.#stop.signal.aborted) {
      const step = this.#order.pop();
      if (step === undefined) break;
      this.#running++;
      void this.#build(step).then(() => {
        this.#running--;
        this.#startReady();
      });
    }
    const isOver = !this.#isOpen || this.#stop.signal.aborted;
    if (this.#running === 0 && !this.#isPlanning && isOver) this.#ended.resolve();
  }

  /** Never rejects. */
  async #build(step: BuildStep): Promise<void> {
    const { drvPath, derivation } = step;
    const { name } = derivation;
    const { onEvent } = this.#options;
    try {
      if (await this.#grow(step)) return;
      const onStart = () => onEvent?.({ type: "started", drvPath, name, counts: this.#counts() });
      const onLine = (line: ByteString) => onEvent?.({ type: "log", drvPath, name, line });
      const options = { ...this.#options, signal: this.#stop.signal, onStart, onLine };
      const plan = { steps: this.#steps, derivations: this.#derivations };
      const outputs = await buildStep(step, plan, this.#realised, this.#parts, options);
      this.#realised.add(drvPath, outputs);
      this.#done.add(drvPath);
      onEvent?.({ type: "finished", drvPath, name, outputs, counts: this.#counts(-1) });
      for (const dependent of this.#dependents.get(drvPath) ?? []) this.#release(dependent);
    } catch (thrown) {
      this.#fail(step, thrown);
    }
  }

  /** Plans what the step needs of derivations that are outputs, as far as these are known. True when the step has to wait for it. */
  async #grow(step: BuildStep): Promise<boolean> {
    const pathOf = (drvPath: ByteString, output: string) => this.#realised.pathOf(drvPath, output);
    for (;;) {
      const targets = nextTargets(step.derivation, pathOf);
      if (targets.length === 0) return false;
      this.#add(await this.#planning(targets, this.#stop.signal));
      const waiting = targets.map(({ drvPath }) => drvPath).filter((drvPath) => this.#isAhead(drvPath));
      const failed = waiting.find((drvPath) => this.#failed.has(drvPath));
      if (failed !== undefined) throw dependencyFailure(step, failed);
      if (waiting.length === 0) continue;
      this.#await(step, waiting);
      return true;
    }
  }

  #release(drvPath: ByteString): void {
    const waiting = (this.#waiting.get(drvPath) as number) - 1;
    this.#waiting.set(drvPath, waiting);
    if (waiting === 0) this.#order.push(this.#steps.get(drvPath) as BuildStep);
  }

  #fail({ drvPath, derivation }: BuildStep, thrown: unknown): void {
    if (this.#stop.signal.aborted) return; // withdrawn: the reason is reported already
    const error = derivationFailure(drvPath, thrown);
    if (error === undefined) return this.#giveUp(thrown);
    this.#failures.push(error);
    this.#failed.add(drvPath);
    const { onEvent, keepGoing } = this.#options;
    try {
      onEvent?.({ type: "failed", drvPath, name: derivation.name, error, counts: this.#counts(-1) });
      this.#failDependents(drvPath, error);
    } catch (failure) {
      this.#fatal = { thrown: failure };
    }
    if (!keepGoing || this.#fatal !== undefined) this.#stop.abort(error);
  }

  /** Everything that needs `because`, at any distance. */
  #failDependents(because: ByteString, cause: GlueError): void {
    const left = [...(this.#dependents.get(because) ?? [])];
    for (let drvPath = left.shift(); drvPath !== undefined; drvPath = left.shift()) {
      if (this.#failed.has(drvPath)) continue;
      this.#failBecause(this.#steps.get(drvPath) as BuildStep, because, -1, cause);
      left.push(...(this.#dependents.get(drvPath) ?? []));
    }
  }

  #failBecause(step: BuildStep, because: ByteString, change: 0 | -1, cause?: GlueError): void {
    const { drvPath, derivation } = step;
    this.#failed.add(drvPath);
    const error = dependencyFailure(step, because, cause);
    this.#options.onEvent?.({
      type: "failed",
      drvPath,
      name: derivation.name,
      error,
      because,
      counts: this.#counts(change),
    });
  }

  /** `change` is to the running ones, for an event that says one has just ended. */
  #counts(change = 0): BuildCounts {
    return {
      planned: this.#steps.size,
      running: this.#running + change,
      done: this.#done.size,
      failed: this.#failed.size,
    };
  }
}

function dependencyFailure({ drvPath, derivation }: BuildStep, because: ByteString, cause?: GlueError): GlueError {
  const message = `derivation '${drvPath}' cannot be built, because its dependency '${because}' failed`;
  const context = { derivation: derivation.name, reason: "dependency", because };
  return new GlueError("build-failed", message, { context, cause });
}

function severalFailures(failures: readonly GlueError[]): GlueError {
  const code = failures.every((failure) => failure.code === failures[0].code) ? failures[0].code : "build-failed";
  const message = `${failures.length} derivations failed:\n${failures.map((failure) => failure.message).join("\n")}`;
  return new GlueError(code, message, { context: { failures: failures.length }, cause: failures[0] });
}
