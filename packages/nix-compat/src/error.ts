/* The one error class of nix-compat. */

import { FirnError } from "@firn/base";

/**
 * - `invalid-store-path`: text is not a store path, or a name breaks the rules of store-path.ts.
 * - `invalid-content-address`: text is not a content address, or one that has no store path (references of a flat file).
 * - `invalid-derivation`: an ATerm derivation is not well formed; `context.offset` says at which byte.
 * - `invalid-output`: outputs of a derivation contradict each other or a rule of derivation.ts.
 * - `unsupported-derivation`: well formed, but of a kind not done here yet (a version of the format that is not known).
 * - `invalid-nar`: bytes are not a canonical NAR; `context.offset` says where.
 * - `invalid-nar-info`: text is not a narinfo; `context.line` says where.
 * - `invalid-nix-cache-info`: text is not what a binary cache says of itself.
 * - `invalid-key`: text is not a key or a signature, `name:base64`. Messages never hold a secret key.
 * - `invalid-export`: bytes are not a stream of exported paths.
 * - `invalid-realisation`: not what Nix writes of what an output came out as.
 * - `invalid-message`: bytes of a connection are not what Nix's worker protocol has there.
 * - `invalid-url`: text is not a URL, or not one of the kind that was asked for.
 * - `invalid-flake-ref`: a flake reference has attributes that its scheme does not have, or values they cannot have.
 * - `limit`: a stated limit was passed; the message says which.
 */
export type NixCompatErrorCode =
  | "invalid-store-path"
  | "invalid-content-address"
  | "invalid-derivation"
  | "invalid-output"
  | "unsupported-derivation"
  | "invalid-nar"
  | "invalid-nar-info"
  | "invalid-nix-cache-info"
  | "invalid-key"
  | "invalid-export"
  | "invalid-message"
  | "invalid-realisation"
  | "invalid-url"
  | "invalid-flake-ref"
  | "limit";

export class NixCompatError extends FirnError<NixCompatErrorCode> {}
