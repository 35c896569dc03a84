/*
How people name a build: by its id or the beginning of one, or by its label, which means the newest of that name.
*/

import type { Attempt } from "@firn/build";
import { CliError } from "./error.ts";
import type { Session } from "./session.ts";

/** Shortest beginning of an id. */
const PREFIX_CHARS_MIN = 3;

/** Throws `not-found`, or `usage` when several builds begin like this. */
export async function findAttempt(text: string, session: Session): Promise<Attempt> {
  const { attempts } = await session.openBuilds();
  const exact = await attempts.get(text);
  if (exact !== undefined) return exact;
  const [labelled] = (await attempts.list({ label: text, limit: 1 })).attempts;
  if (labelled !== undefined) return labelled;
  const found = text.length < PREFIX_CHARS_MIN ? [] : (await attempts.list({ idPrefix: text, limit: 2 })).attempts;
  if (found.length === 1) return found[0];
  if (found.length > 1) throw new CliError("usage", `several builds begin with '${text}': give more of the id`);
  throw new CliError("not-found", `no build '${text}' is known: firn builds list shows those that are`);
}
