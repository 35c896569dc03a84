/* One recipe of a derivation executed: submitted, seen through to its end, and its failure told in glue's words. */

import type { ByteString } from "@firn/base";
import { type Attempt, type AttemptLimits, BuildError, type BuildService, limitsOf, type Recipe } from "@firn/build";
import type { Lease } from "@firn/castore";
import { buildFailure } from "./build-failure.ts";
import { LogLines } from "./log-lines.ts";

export type RunRecipeOptions = AttemptLimits & {
  readonly preferLocal?: boolean;
  readonly lease: Lease;
  readonly signal: AbortSignal | undefined;
  readonly onLine: (line: ByteString) => void;
  /** Of what a builder says fast, only the last lines are needed. */
  readonly lastLinesOnly?: boolean;
};

/** What is read of a log at once. */
const READ_BYTES = 64 * 1024;

/** Yields the attempt, which succeeded. Throws the signal's reason, or `build-failed` and `cancelled` about the derivation. */
export async function runRecipe(
  recipe: Recipe,
  { drvPath, name }: { readonly drvPath: ByteString; readonly name: string },
  service: BuildService,
  options: RunRecipeOptions,
): Promise<Attempt> {
  const { preferLocal, lease, signal } = options;
  const submit = { ...limitsOf(options), preferLocal, lease, signal };
  const [id] = await service.submit([{ recipe, label: name }], submit);
  const log = new LogLines(options.onLine, options.lastLinesOnly);
  const attempt = await watchToEnd(service, id, log);
  signal?.throwIfAborted();
  if (attempt.end !== undefined && attempt.end.reason !== "succeeded")
    throw buildFailure(drvPath, name, attempt.end, log.tail);
  return attempt;
}

/** Not by signal: a submission that was withdrawn is over when its attempt is, and nothing may run on behind the caller's back. */
async function watchToEnd(service: BuildService, id: string, log: LogLines): Promise<Attempt> {
  for await (const event of service.watch(id, { buffer: new Uint8Array(READ_BYTES) })) {
    if (event.type === "log") log.push(event.bytes);
    if (event.type !== "ended") continue;
    log.end();
    if (event.attempt.end !== undefined) return event.attempt;
  }
  throw new BuildError("unknown-attempt", `the build service stopped reporting on attempt ${id} before it ended`);
}
