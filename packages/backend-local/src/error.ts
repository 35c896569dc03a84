/*
The error class of backend-local, for what concerns the store on disk as a whole, and the wording of failures of the engines
below (file system, LMDB), which the services report as castore's or store's `storage`.
*/

import { FirnError, messageOf } from "@firn/base";
import { CastoreError, diskProblem } from "@firn/castore";

/**
 * - `not-a-store`: the directory holds something else.
 * - `unknown-format`: the store was written by another version.
 * - `alive`: a path that was to be deleted is still needed.
 * - `storage`: the store could not be opened or a root not written.
 */
export type LocalStoreErrorCode = "not-a-store" | "unknown-format" | "alive" | "storage";

export class LocalStoreError extends FirnError<LocalStoreErrorCode> {}

const EIO_NUMBER = 5;

/** What a failure of the file system or of LMDB means, for a message. */
export function storageProblem(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  const message = messageOf(thrown);
  // LMDB reports a write that was cut short as a fault of the disk, whatever cut it.
  if (code === EIO_NUMBER) return `the disk is full or faulty (${message})`;
  if (message.startsWith("the disk is full")) return message;
  if (message.includes("MDB_MAP_FULL")) return `the index has reached its largest size (${message})`;
  if (message.includes("No space left")) return `the disk is full (${message})`;
  return diskProblem(thrown);
}

/** The `storage` error for a failed step, described as "storing a blob". Errors that say more already are passed through. */
export function storageError(doing: string, thrown: unknown): Error {
  if (thrown instanceof FirnError) return thrown;
  return new CastoreError("storage", `${doing} failed: ${storageProblem(thrown)}`, { cause: thrown });
}

/** The errno name of a file system error. */
export function errnoOf(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
