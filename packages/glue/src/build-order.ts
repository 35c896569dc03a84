/*
Which of the steps that could be built now comes first: the one with the longest chain of work waiting for it, by what each step is expected to take.
That is what it took when a derivation of this name was built last.
*/

import { type ByteString, mapConcurrently } from "@firn/base";
import { type BuildService, expectedDuration } from "@firn/build";
import type { BuildStep } from "./build-plan.ts";

/** What a step is expected to take of which nothing is known. */
const UNKNOWN_MS = 1000;
/** Most names that are asked for; what they take is not told apart beyond. */
const NAMES_MAX = 2000;
const QUESTIONS_AHEAD = 16;

export class BuildOrder {
  readonly #service: Pick<BuildService, "list">;
  readonly #expectedMs = new Map<string, number>();
  #chainMs = new Map<ByteString, number>();
  /** The longest chain last, and among equals the first that came. */
  readonly #ready: BuildStep[] = [];

  constructor(service: Pick<BuildService, "list">) {
    this.#service = service;
  }

  /** Asks what steps took before. To be called before `plan`; without it all are expected to take the same. */
  async learn(steps: Iterable<BuildStep>): Promise<void> {
    const names = new Set<string>();
    for (const { derivation } of steps) {
      if (this.#expectedMs.size + names.size >= NAMES_MAX) break;
      if (!this.#expectedMs.has(derivation.name)) names.add(derivation.name);
    }
    await mapConcurrently(names, QUESTIONS_AHEAD, async (name) => {
      this.#expectedMs.set(name, (await expectedDuration(this.#service, name)) ?? UNKNOWN_MS);
    });
  }

  /** Takes note of all steps there are, done or not. */
  plan(steps: ReadonlyMap<ByteString, BuildStep>): void {
    const dependents = new Map<ByteString, number>();
    for (const { dependencies } of steps.values())
      for (const dependency of dependencies) dependents.set(dependency, (dependents.get(dependency) ?? 0) + 1);
    const chains = new Map<ByteString, number>();
    const order = [...steps.values()].filter(({ drvPath }) => !dependents.has(drvPath));
    for (let at = 0; at < order.length; at++) {
      const { drvPath, derivation, dependencies } = order[at];
      const chain = (chains.get(drvPath) ?? 0) + (this.#expectedMs.get(derivation.name) ?? UNKNOWN_MS);
      chains.set(drvPath, chain);
      for (const dependency of dependencies) {
        chains.set(dependency, Math.max(chains.get(dependency) ?? 0, chain));
        const left = (dependents.get(dependency) as number) - 1;
        dependents.set(dependency, left);
        const step = steps.get(dependency);
        if (left === 0 && step !== undefined) order.push(step);
      }
    }
    this.#chainMs = chains;
    for (const step of this.#ready.splice(0).reverse()) this.push(step);
  }

  /** The step could be built now. */
  push(step: BuildStep): void {
    const chain = this.chainMs(step.drvPath);
    let low = 0;
    let high = this.#ready.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.chainMs(this.#ready[middle].drvPath) < chain) low = middle + 1;
      else high = middle;
    }
    this.#ready.splice(low, 0, step);
  }

  /** The next one to build, if any could be. */
  pop(): BuildStep | undefined {
    return this.#ready.pop();
  }

  /** What the step and all that waits for it one after the other is expected to take. */
  chainMs(drvPath: ByteString): number {
    return this.#chainMs.get(drvPath) ?? 0;
  }
}
