/* The one error class of backend-http-cache. */

import { FirnError } from "@firn/base";

/**
 * - `unreachable`: no connection, or one that broke or stood still; may pass.
 * - `refused`: the cache wants credentials that were not given, or others.
 * - `failed`: the cache answers with an error. Those that may pass are marked so.
 * - `other-cache`: it is a cache for another store directory.
 * - `malformed`: what the cache sent is not what it has to be.
 * - `unsupported`: an address that is none of a cache, or leads out of it.
 * - `limit`: more came than may.
 */
export type HttpCacheErrorCode =
  | "unreachable"
  | "refused"
  | "failed"
  | "other-cache"
  | "malformed"
  | "unsupported"
  | "limit";

export class HttpCacheError extends FirnError<HttpCacheErrorCode> {}
