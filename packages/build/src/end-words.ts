/* How an attempt ended, in words for people: those of C++ Nix where it has some. */

import { textOf, unreachable } from "@firn/base";
import type { AttemptEnd } from "./attempt.ts";

/** The end of a sentence that begins with "builder for X". */
export function describeEnd(end: AttemptEnd): string {
  switch (end.reason) {
    case "succeeded":
      return "succeeded";
    case "exit-code":
      return `failed with exit code ${end.code}`;
    case "signal":
      return `failed due to signal ${end.signal}`;
    case "timeout":
      return `timed out after ${seconds(end.afterMs)}`;
    case "silence":
      return `timed out after ${seconds(end.afterMs)} of silence`;
    case "out-of-memory":
      return "ran out of memory";
    case "out-of-space":
      return `ran out of build space: at most ${end.bytesMax} bytes are allowed`;
    case "log-limit":
      return `said more than the ${end.bytesMax} bytes a log may have`;
    case "cancelled":
      return "was cancelled";
    case "output-missing":
      return `failed to produce output path '/${textOf(end.path)}'`;
    case "output-refused":
      return `made an output '/${textOf(end.path)}' that cannot be stored: ${end.why}`;
    case "dependency":
      return `was not started, since attempt ${end.attempt}, which it needs, failed`;
    case "check-failed":
    case "hash-mismatch":
      return `made outputs that were refused: ${end.why}`;
    case "infrastructure":
      return `could not be run to its end: ${end.why}`;
    default:
      return unreachable(end);
  }
}

function seconds(ms: number): string {
  return ms === 1000 ? "1 second" : `${ms / 1000} seconds`;
}
