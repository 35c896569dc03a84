/*
Watching an attempt from its records alone: one that ended, or one that another process runs. Its log is read where it is, live or a blob;
while it grows it is looked at often, since nothing tells one process what another one writes.
*/

import { pause } from "@firn/base";
import type { BlobService } from "@firn/castore";
import { type Attempt, hasEnded } from "./attempt.ts";
import type { AttemptStore } from "./attempt-store.ts";
import type { AttemptEvent, WatchOptions } from "./build-service.ts";
import type { LiveLogs } from "./live-logs.ts";

/** Between two looks at a log that grows, and at the record. */
export const LOG_POLL_MS = 25;
const RECORD_POLL_MS = 100;

export type AttemptStores = {
  readonly attempts: AttemptStore;
  readonly logs: LiveLogs;
  readonly blobs: Pick<BlobService, "openRead">;
};

/** As BuildService.watch. */
export async function* watchStored(
  attempt: Attempt,
  stores: AttemptStores,
  { from = 0, log: withLog = true, buffer, signal }: WatchOptions,
): AsyncGenerator<AttemptEvent> {
  let now = attempt;
  let at = from;
  let isTold = false;
  let lookedAt = 0;
  for (let waited = 0; ; waited += LOG_POLL_MS) {
    if (!hasEnded(now) && waited - lookedAt >= RECORD_POLL_MS) {
      lookedAt = waited;
      now = (await stores.attempts.get(attempt.id)) ?? now;
    }
    const isLast = hasEnded(now); // what is read after this is all there is
    if (now.startedAtMs !== undefined && !isTold) yield { type: "started", attempt: now };
    isTold ||= now.startedAtMs !== undefined;
    if (withLog) {
      for await (const bytes of storedLog(now.id, at, stores, buffer)) {
        at += bytes.length;
        yield { type: "log", bytes, at };
      }
    }
    if (isLast) break;
    await pause(LOG_POLL_MS, signal);
  }
  yield { type: "ended", attempt: now };
}

/** The log from an offset on, as far as it goes now; with `buffer`, what comes is good until the next is asked for. */
export async function* storedLog(
  id: string,
  from: number,
  stores: AttemptStores,
  buffer?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  let at = from;
  for (;;) {
    const bytes = await stores.logs.read(id, at, buffer);
    if (bytes === undefined) break;
    if (bytes.length === 0) return;
    at += bytes.length;
    yield bytes;
  }
  const log = (await stores.attempts.get(id))?.log;
  await using reader = log && (await stores.blobs.openRead(log));
  if (reader && at < reader.size) yield* reader.stream(at);
}
