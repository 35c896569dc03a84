/*
A builder reached over something that breaks, as if it did not: the connection is made at the first call and again after it was lost, a watcher goes
on from the log offset where it was, and what may be asked twice is. A submission that was lost on its way is made again: recipes under way are
joined, so nothing runs twice at the same time.
*/

import { FirnError, pause } from "@firn/base";
import type { AttemptEvent, BuildService, BuildServiceSupports, WatchOptions } from "./build-service.ts";

export type ProxiedBuilderOptions = {
  /** Of the builder behind; known before it is reached. */
  readonly supports: BuildServiceSupports;
  /** How often something is asked at most while nothing comes back; 5 when not said. */
  readonly attemptsMax?: number;
  /** The first pause; it doubles. 100 when not said. */
  readonly delayMs?: number;
};

/** A BuildService in front of the one that `connect` yields. Errors that may pass (`retryable`) are not shown before all attempts failed. */
export function proxiedBuildService(
  connect: () => Promise<BuildService>,
  options: ProxiedBuilderOptions,
): BuildService {
  const { supports, attemptsMax = 5, delayMs = 100 } = options;
  let connection: Promise<BuildService> | undefined;

  /** Waits before the next attempt, or throws what cannot pass. A connection others have made meanwhile stays. */
  const pauseAfter = async (
    thrown: unknown,
    failed: Promise<BuildService>,
    attempt: number,
    signal: AbortSignal | undefined,
  ) => {
    if (!(thrown instanceof FirnError && thrown.retryable) || attempt >= attemptsMax) throw thrown;
    if (connection === failed) connection = undefined;
    await pause(delayMs * 2 ** (attempt - 1), signal);
  };
  const call = async <T>(run: (service: BuildService) => Promise<T>, signal?: AbortSignal): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      connection ??= connect();
      const used = connection;
      try {
        return await run(await used);
      } catch (thrown) {
        await pauseAfter(thrown, used, attempt, signal);
      }
    }
  };

  async function* watch(id: string, watchOptions: WatchOptions = {}): AsyncGenerator<AttemptEvent> {
    let from = watchOptions.from ?? 0;
    let isStarted = false;
    for (let attempt = 1; ; attempt++) {
      connection ??= connect();
      const used = connection;
      try {
        for await (const event of (await used).watch(id, { ...watchOptions, from })) {
          if (event.type === "started" && isStarted) continue;
          attempt = 1; // it got further
          if (event.type === "log") from = event.at;
          isStarted ||= event.type === "started";
          yield event;
        }
        return;
      } catch (thrown) {
        await pauseAfter(thrown, used, attempt, watchOptions.signal);
      }
    }
  }

  return {
    supports,
    submit: (recipes, submitOptions) => call((to) => to.submit(recipes, submitOptions), submitOptions?.signal),
    watch,
    cancel: (id) => call((to) => to.cancel(id)),
    refuse: (id, refusal) => call((to) => to.refuse(id, refusal)),
    get: (id) => call((to) => to.get(id)),
    list: (filter) => call((to) => to.list(filter)),
    recipe: (digest) => call((to) => to.recipe(digest)),
  };
}
