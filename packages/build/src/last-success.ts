/* What is known of builds from the last time they succeeded. */

import type { Attempt } from "./attempt.ts";
import { durationOf } from "./attempt.ts";
import type { AttemptFilter, AttemptPage } from "./build-service.ts";

/** A build service, or what remembers its attempts. */
type Listed = { list(filter?: AttemptFilter): Promise<AttemptPage> };

/** The newest success of a recipe, or of a label. */
export async function lastSuccess(
  listed: Listed,
  of: Pick<AttemptFilter, "recipe" | "label">,
): Promise<Attempt | undefined> {
  return (await listed.list({ ...of, status: "succeeded", limit: 1 })).attempts.at(0);
}

/** How long builds of a label are expected to take, in milliseconds: what the newest success took. */
export async function expectedDuration(listed: Listed, label: string): Promise<number | undefined> {
  const last = await lastSuccess(listed, { label });
  return last && durationOf(last);
}
