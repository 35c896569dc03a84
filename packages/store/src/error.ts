/* The one error class of store. */

import { FirnError } from "@firn/base";

/**
 * - `invalid-path-info`: a PathInfo breaks a rule of path-info.ts.
 * - `invalid-realisation`: a Realisation breaks a rule of realisation.ts.
 * - `missing`: a blob, directory or path that something points at is not there.
 * - `mismatch`: contents do not have the hash or size that was promised.
 * - `malformed`: a NAR or an encoded PathInfo is not well formed.
 * - `conflict`: the path is registered already with other contents.
 * - `untrusted`: neither a trusted key signed the path nor does it follow from its contents.
 * - `invalid-root`: the name of a root is not one, or a path that is not registered was to be held.
 * - `busy`: another collection of garbage is under way.
 * - `limit`, `unsupported`, `closed`, `storage`: as in castore.
 */
export type StoreErrorCode =
  | "invalid-path-info"
  | "invalid-realisation"
  | "missing"
  | "mismatch"
  | "malformed"
  | "conflict"
  | "untrusted"
  | "invalid-root"
  | "busy"
  | "limit"
  | "unsupported"
  | "closed"
  | "storage";

export class StoreError extends FirnError<StoreErrorCode> {}
