/*
Recipes that a command builds: submitted as one graph, seen through to their ends, with what they say on stderr.
*/

import type { Attempt, AttemptLimits, SubmitOptions, SubmittedRecipe } from "@firn/build";
import type { Lease } from "@firn/castore";
import { attemptRow } from "./attempt-text.ts";
import { openBuilder, type BuilderOptions } from "./builder.ts";
import { EXIT } from "./error.ts";
import type { Session } from "./session.ts";

/** How much of a failed build's log is shown. */
const TAIL_BYTES = 4096;

export type RecipeBuildOptions = BuilderOptions &
  AttemptLimits &
  Pick<SubmitOptions, "reuse" | "keepGoing"> & {
    readonly quiet: boolean;
    /** All that builders say. */
    readonly printLogs: boolean;
  };

/** The attempts in the order of the recipes, all of them ended. */
export async function buildRecipes(
  recipes: readonly SubmittedRecipe[],
  options: RecipeBuildOptions,
  session: Session,
  lease: Lease,
): Promise<Attempt[]> {
  const { output, signal } = session;
  const service = await openBuilder(options, session);
  const submittedAtMs = Date.now();
  const ids = await service.submit(recipes, { ...options, lease, signal });
  const follow = async (id: string): Promise<Attempt> => {
    let tail = Buffer.alloc(0);
    for await (const event of service.watch(id)) {
      if (event.type === "started" && !options.quiet && event.attempt.queuedAtMs >= submittedAtMs)
        await output.note(`building '${event.attempt.label}'`);
      if (event.type === "log" && options.printLogs) await output.stderr.write(event.bytes).catch(() => undefined);
      if (event.type === "log" && !options.printLogs) tail = Buffer.concat([tail, event.bytes]).subarray(-TAIL_BYTES);
      if (event.type !== "ended") continue;
      const { attempt } = event;
      if (attempt.status === "failed") {
        await output.stderr.write(tail).catch(() => undefined);
        await output.note(attemptRow(attempt, output, Date.now()));
      }
      return attempt;
    }
    throw new Error(`the builder stopped reporting on ${id}`);
  };
  const attempts = await Promise.all(ids.map(follow));
  signal.throwIfAborted();
  return attempts;
}

/** As those of `firn build`. */
export function exitCodeOfAttempts(attempts: readonly Attempt[]): number {
  const ends = attempts.flatMap(({ status, end }) => (status === "failed" && end !== undefined ? [end.reason] : []));
  if (ends.length === 0) return EXIT.ok;
  return ends.every((reason) => ["timeout", "silence", "dependency"].includes(reason))
    ? EXIT.buildTimedOut
    : EXIT.buildFailed;
}
