/*
The log of an attempt on stdout, byte for byte; as it grows, when that is asked for, whichever process runs the attempt.
*/

import { type Attempt, hasEnded, watchStored } from "@firn/build";
import { CliError } from "./error.ts";
import type { Session } from "./session.ts";

export type LogOptions = {
  /** Goes on until the attempt ended. */
  readonly follow: boolean;
  readonly json: boolean;
};

/** Throws `not-found` when the log is not in the store any more. */
export async function printLog(attempt: Attempt, { follow, json }: LogOptions, session: Session): Promise<void> {
  const { output, signal } = session;
  const { attempts, logs } = await session.openBuilds();
  const { blobs } = await session.openStore();
  if (attempt.log !== undefined && !(await blobs.has(attempt.log)) && (await logs.read(attempt.id, 0)) === undefined)
    throw new CliError("not-found", `the log of build ${attempt.id} is not in the store any more`);
  // One that is not to be followed is read as if it had ended now.
  const shown: Attempt = follow || hasEnded(attempt) ? attempt : { ...attempt, status: "failed" };
  const pieces: Uint8Array[] = [];
  for await (const event of watchStored(shown, { attempts, logs, blobs }, { signal })) {
    if (event.type !== "log") continue;
    if (json) pieces.push(event.bytes);
    else await output.bytes(event.bytes);
  }
  if (json) await output.json({ id: attempt.id, label: attempt.label, log: Buffer.concat(pieces).toString("utf8") });
}
