/*
Tracing: one event for each call of a service, when it ends. Where events go is the caller's; nothing is printed here.
*/

import { FirnError } from "@firn/base";
import type { Interceptor, ServiceCall } from "./intercept.ts";

export type ServiceEvent = {
  /** The instance's name in its composition. */
  readonly instance: string;
  readonly operation: string;
  /** What the call was about. */
  readonly subject?: string;
  readonly ms: number;
  /** Length of what was streamed. */
  readonly bytes?: number;
  /** `absent` where the answer was undefined or false, else the code of what was thrown. */
  readonly outcome: "done" | "absent" | "aborted" | (string & {});
};

export type TraceOptions = {
  readonly instance: string;
  /** Must not throw. */
  readonly sink: (event: ServiceEvent) => void;
  /** Milliseconds from any beginning. */
  readonly now: () => number;
};

/** For Intercepted…: passes calls on as they are. */
export function tracing({ instance, sink, now }: TraceOptions): Interceptor {
  const report = ({ operation, subject }: ServiceCall, from: number, outcome: string, bytes?: number) =>
    sink({ instance, operation, subject, ms: now() - from, bytes, outcome });
  return {
    async call(call, run) {
      const from = now();
      try {
        const answer = await run();
        report(
          call,
          from,
          answer === false || (answer === undefined && call.subject !== undefined) ? "absent" : "done",
        );
        return answer;
      } catch (thrown) {
        report(call, from, outcomeOf(thrown, call.signal));
        throw thrown;
      }
    },
    async *stream(call, start, bytesOf) {
      const from = now();
      let bytes = 0;
      let outcome = "aborted"; // when the consumer stops
      try {
        for await (const item of start()) {
          bytes += bytesOf(item);
          yield item;
        }
        outcome = "done";
      } catch (thrown) {
        outcome = outcomeOf(thrown, call.signal);
        throw thrown;
      } finally {
        report(call, from, outcome, bytes);
      }
    },
  };
}

function outcomeOf(thrown: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted) return "aborted";
  return thrown instanceof FirnError ? thrown.code : "failed";
}
