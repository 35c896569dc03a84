/*
Trying again: calls that failed with an error that says it may pass (`retryable`) are made again after a pause that doubles. A stream that breaks
goes on where it was. Writers are not: what they wrote is gone with the connection, and only their caller has it.
*/

import { FirnError, pause } from "@firn/base";
import type { Interceptor, ServiceCall } from "./intercept.ts";

export type RetryOptions = {
  /** How often a call is made at most, or a stream begun without getting further; 5 when not said. */
  readonly attemptsMax?: number;
  /** The first pause; 100 when not said. Each pause is between half and all of twice the one before. */
  readonly delayMs?: number;
  /** The longest pause; 10,000 when not said. */
  readonly delayMsMax?: number;
  /** From 0 to 1; by the runtime when not given. */
  readonly random?: () => number;
};

/** For Intercepted…: runs repeatable calls again. */
export function retrying(options: RetryOptions = {}): Interceptor {
  const { attemptsMax = 5, delayMs = 100, delayMsMax = 10_000, random = anyFraction } = options;
  const pauseAfter = (attempt: number) => {
    const longest = Math.min(delayMsMax, delayMs * 2 ** (attempt - 1));
    return longest / 2 + (random() * longest) / 2;
  };
  const mayPass = (thrown: unknown, call: ServiceCall, attempt: number) =>
    call.repeatable &&
    attempt < attemptsMax &&
    thrown instanceof FirnError &&
    thrown.retryable &&
    !call.signal?.aborted;
  return {
    async call(call, run) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await run();
        } catch (thrown) {
          if (!mayPass(thrown, call, attempt)) throw thrown;
        }
        await pause(pauseAfter(attempt), call.signal);
      }
    },
    async *stream(call, start) {
      for (let attempt = 1; ; attempt++) {
        try {
          for await (const item of start()) {
            attempt = 1; // it got further
            yield item;
          }
          return;
        } catch (thrown) {
          if (!mayPass(thrown, call, attempt)) throw thrown;
        }
        await pause(pauseAfter(attempt), call.signal);
      }
    },
  };
}

function anyFraction(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32;
}
