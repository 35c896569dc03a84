/* The one error class of protocol. Its codes are gRPC's statuses, so an error that crosses a connection stays what it is. */

import { FirnError } from "@firn/base";

/** gRPC's statuses in the order of their numbers, from 1; 0 is success. */
const STATUSES = [
  "cancelled",
  "unknown",
  "invalid-argument",
  "deadline-exceeded",
  "not-found",
  "already-exists",
  "permission-denied",
  "resource-exhausted",
  "failed-precondition",
  "aborted",
  "out-of-range",
  "unimplemented",
  "internal",
  "unavailable",
  "data-loss",
  "unauthenticated",
] as const;

export type ProtocolErrorCode = (typeof STATUSES)[number];

export class ProtocolError extends FirnError<ProtocolErrorCode> {}

/** The number that gRPC sends for a code. */
export function statusOfCode(code: ProtocolErrorCode): number {
  return STATUSES.indexOf(code) + 1;
}

/** The code of a status; numbers nobody defined are `unknown`. */
export function codeOfStatus(status: number): ProtocolErrorCode {
  return STATUSES[status - 1] ?? "unknown";
}
