/* The one error class of hash. */

import { FirnError } from "@firn/base";

/**
 * - `unknown-algorithm`: the text names an algorithm that is not one of ours.
 * - `algorithm-missing`: a bare digest, and nothing says which algorithm made it.
 * - `algorithm-mismatch`: the text names another algorithm than the one expected.
 * - `wrong-length`: the digest has none of the lengths its algorithm can be written in.
 * - `invalid-encoding`: a character or spare bit the encoding does not allow.
 */
export type HashErrorCode =
  | "unknown-algorithm"
  | "algorithm-missing"
  | "algorithm-mismatch"
  | "wrong-length"
  | "invalid-encoding";

export class HashError extends FirnError<HashErrorCode> {}
