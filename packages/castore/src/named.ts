/*
Errors with the name of the instance they come from: in a store composed of many services, "blob … is damaged" alone does not help.
*/

import { FirnError } from "@firn/base";
import type { Interceptor } from "./intercept.ts";

/** For Intercepted…: puts `name` ("blobs 'far'") before the message of every error that does not begin with it, and into its context as `instance`. */
export function naming(name: string): Interceptor {
  return {
    call: async (_call, run) => {
      try {
        return await run();
      } catch (thrown) {
        throw named(thrown, name);
      }
    },
    async *stream(_call, start) {
      try {
        yield* start();
      } catch (thrown) {
        throw named(thrown, name);
      }
    },
  };
}

/** The error with the name added, of the same class and code; the innermost instance is the one that is named. */
function named(thrown: unknown, name: string): unknown {
  if (!(thrown instanceof FirnError) || thrown.context.instance !== undefined) return thrown;
  const Same = thrown.constructor as new (...args: ConstructorParameters<typeof FirnError>) => FirnError;
  const message = thrown.message.startsWith(name) ? thrown.message : `${name}: ${thrown.message}`;
  return new Same(thrown.code, message, {
    context: { ...thrown.context, instance: name },
    cause: thrown,
    retryable: thrown.retryable,
  });
}
