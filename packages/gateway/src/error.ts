/* The one error class of gateway, and what each error is in HTTP. */

import { FirnError } from "@firn/base";

/**
 * - `bad-request`: a request, or what it brings, that is not well formed or not what it says.
 * - `not-found`: nothing is there, or the NAR a narinfo speaks of did not come before it.
 * - `forbidden`: this cache takes nothing in, or not without a trusted signature, or not from a client that nobody trusts.
 * - `method`: the thing exists and cannot be treated so.
 * - `too-large`: a stated limit was passed.
 */
export type GatewayErrorCode = "bad-request" | "not-found" | "forbidden" | "method" | "too-large";

export class GatewayError extends FirnError<GatewayErrorCode> {}

const STATUS: Readonly<Record<string, number>> = {
  "bad-request": 400,
  "not-found": 404,
  forbidden: 403,
  method: 405,
  "too-large": 413,
  // Of other rooms, when they judge what came in.
  limit: 413,
  missing: 400,
  mismatch: 400,
  malformed: 400,
  damaged: 400,
  conflict: 409,
  untrusted: 403,
  "invalid-path-info": 400,
  "invalid-realisation": 400,
  "invalid-nar-info": 400,
  "invalid-store-path": 400,
  "invalid-output": 400,
  "invalid-key": 400,
  unsupported: 415,
};

/** The status of what went wrong; 500 for what is not the peer's fault. */
export function statusOf(thrown: unknown): number {
  return thrown instanceof FirnError && Object.hasOwn(STATUS, thrown.code) ? STATUS[thrown.code] : 500;
}
