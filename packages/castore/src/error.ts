/* The one error class of castore. */

import { FirnError } from "@firn/base";

/**
 * - `invalid-name`, `invalid-target`, `invalid-digest`, `invalid-directory`: a model rule is broken (node.ts, directory.ts).
 * - `malformed`: bytes are not the canonical encoding of a Directory.
 * - `corrupt`: stored or received bytes do not have the digest they were asked by.
 * - `missing`: something that another object points at is not there (a root that is absent is `undefined`, not this).
 * - `invalid-graph`: a put of several directories broke its order, had several roots or wrong sizes.
 * - `unsupported-file`: a tree holds a socket, FIFO or device, or a name castore cannot carry.
 * - `changed`: a file changed while it was imported.
 * - `closed`: a writer, reader, lease or service was used after it ended.
 * - `limit`: a stated limit was passed; the message says which.
 * - `composition`: a description of services is not well-formed, names what is not there, or goes in a circle.
 * - `unsupported`: this backend does not do that, see its `supports`.
 * - `storage`: the engine below failed (disk full, permission, lost connection).
 */
export type CastoreErrorCode =
  | "invalid-name"
  | "invalid-target"
  | "invalid-digest"
  | "invalid-directory"
  | "malformed"
  | "corrupt"
  | "missing"
  | "invalid-graph"
  | "unsupported-file"
  | "changed"
  | "closed"
  | "limit"
  | "composition"
  | "unsupported"
  | "storage";

export class CastoreError extends FirnError<CastoreErrorCode> {}
