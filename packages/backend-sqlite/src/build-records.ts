/*
What a machine remembers of its builds: a directory with the records of attempts and the logs of those under way. Any number of processes may have
it open.

    <dir>/builds.sqlite    sqlite-attempts.ts
    <dir>/logs/<id>        file-logs.ts
*/

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { AttemptStore, LiveLogs } from "@firn/build";
import type { Digest } from "@firn/castore";
import { FileLogs } from "./file-logs.ts";
import { type AttemptProcess, type AttemptRetention, ATTEMPTS_SCHEMA, SqliteAttempts } from "./sqlite-attempts.ts";
import { SqliteFile } from "./sqlite-file.ts";

export type BuildRecordsOptions = {
  readonly process: AttemptProcess;
  readonly retention: AttemptRetention;
  /** Milliseconds since 1970. */
  readonly now: () => number;
};

export interface BuildRecords extends Disposable {
  readonly attempts: AttemptStore;
  readonly logs: LiveLogs;
  /** Logs of all attempts that are remembered: what garbage collection has to keep. */
  logDigests(): Digest[];
  /** Forgets what is older or more than is to be kept. */
  prune(): Promise<void>;
  close(): void;
}

/** Opens the records below a host directory, which is made when it is not there. Throws SqliteStoreError. */
export function openBuildRecords(dir: string, options: BuildRecordsOptions): BuildRecords {
  mkdirSync(dir, { recursive: true });
  const logs = new FileLogs(join(dir, "logs"));
  const file = new SqliteFile(join(dir, "builds.sqlite"), ATTEMPTS_SCHEMA);
  const onForgotten = (ids: readonly string[]) => {
    // One that cannot be removed now takes room, and hinders nobody.
    for (const id of ids) void logs.remove(id).catch(() => {});
  };
  const attempts = new SqliteAttempts({ ...options, file, onForgotten });
  const close = () => file.close();
  return {
    attempts,
    logs,
    logDigests: () => attempts.logDigests(),
    prune: () => attempts.prune(),
    close,
    [Symbol.dispose]: close,
  };
}
