/* The one error class of glue: what goes wrong between a derivation and its outputs. */

import { FirnError } from "@firn/base";

/**
 * - `unsupported`: a derivation or host path asks for something not done here; the message names the feature.
 * - `invalid-derivation`: a derivation contradicts itself, or says something that cannot be built.
 * - `missing-input`: a derivation or an input is not in the store.
 * - `changed`: what the evaluation read is not what was found when it was copied.
 * - `build-failed`: a builder failed, or what it made was refused; `context` holds `derivation`, `reason` and the log's end.
 * - `hash-mismatch`: a fixed output has another hash than the derivation says; `context` holds `specified` and `got`.
 * - `fetch-failed`: what an address leads to could not be had, or is damaged.
 * - `cancelled`: someone else ended the build. One's own signal is thrown as its reason.
 */
export type GlueErrorCode =
  | "unsupported"
  | "invalid-derivation"
  | "missing-input"
  | "changed"
  | "build-failed"
  | "hash-mismatch"
  | "fetch-failed"
  | "cancelled";

export class GlueError extends FirnError<GlueErrorCode> {}
