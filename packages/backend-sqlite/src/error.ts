/*
The error class of backend-sqlite, for what concerns the file as a whole, and how SQLite's failures are reported by the services.
*/

import { FirnError, messageOf } from "@firn/base";
import { CastoreError } from "@firn/castore";

/**
 * - `not-a-store`: the file is something else, or of a version that is not known here.
 * - `storage`: the file could not be opened.
 */
export type SqliteStoreErrorCode = "not-a-store" | "storage";

export class SqliteStoreError extends FirnError<SqliteStoreErrorCode> {}

/** Result codes of SQLite (their low byte) that pass by themselves. */
const BUSY = 5;
const LOCKED = 6;
const ADVICE: Readonly<Record<number, string>> = {
  5: "another process has been writing for too long",
  8: "the file or its directory is read-only",
  10: "the disk reports a fault",
  11: "the file is damaged",
  13: "the disk is full",
  14: "the file cannot be opened",
  26: "the file is no database",
};

/** The `storage` error for a failed step, described as "storing a blob". Errors that say more already are passed through. */
export function sqliteError(doing: string, thrown: unknown): Error {
  if (thrown instanceof FirnError) return thrown;
  const code = codeOf(thrown);
  const retryable = code === BUSY || code === LOCKED;
  return new CastoreError("storage", `${doing} failed: ${sqliteProblem(thrown)}`, { cause: thrown, retryable });
}

/** What a failure of SQLite means, for a message. */
export function sqliteProblem(thrown: unknown): string {
  const advice = ADVICE[codeOf(thrown)];
  return advice === undefined ? messageOf(thrown) : `${advice} (${messageOf(thrown)})`;
}

function codeOf(thrown: unknown): number {
  return Number((thrown as { errcode?: unknown } | undefined)?.errcode ?? 0) & 255;
}
