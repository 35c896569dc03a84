/*
One execution of a recipe on one builder: what happened, when, at what cost, and what came out. Failed attempts are kept
just as successful ones. What is unknown is undefined, never 0.
*/

import type { ByteString } from "@firn/base";
import type { Digest, Node } from "@firn/castore";

/** Why an attempt ended. The fields are facts; the sentence for people is made from them by the one who shows it. */
export type AttemptEnd =
  | { readonly reason: "succeeded" }
  | { readonly reason: "exit-code"; readonly code: number }
  | { readonly reason: "signal"; readonly signal: string }
  | { readonly reason: "timeout"; readonly afterMs: number }
  | { readonly reason: "silence"; readonly afterMs: number }
  | { readonly reason: "out-of-memory" }
  | { readonly reason: "out-of-space"; readonly bytesMax: number }
  | { readonly reason: "log-limit"; readonly bytesMax: number }
  | { readonly reason: "cancelled" }
  | { readonly reason: "output-missing"; readonly path: ByteString }
  | { readonly reason: "output-refused"; readonly path: ByteString; readonly why: string }
  /** It was never started, since the attempt that was to make one of its inputs failed. */
  | { readonly reason: "dependency"; readonly attempt: string }
  /** What its submitter found wrong with the outputs of a success, see `refuse` of build-service.ts. */
  | Refusal
  | { readonly reason: "infrastructure"; readonly why: string };

export type Refusal = { readonly reason: "check-failed" | "hash-mismatch"; readonly why: string };

export type AttemptOutput = {
  readonly path: ByteString;
  readonly node: Node;
  /** Indexes into the recipe's needles that occur in this output, ascending. */
  readonly needles: readonly number[];
};

/** What all processes of an attempt took together, as far as its sandbox can tell. */
export type AttemptUsage = {
  readonly cpuUserMs?: number;
  readonly cpuSystemMs?: number;
  /** Without rights over cgroups, that of the largest process. */
  readonly memoryPeakBytes?: number;
  /** Bytes read from and written to disks, not files: what a cache answered does not count. */
  readonly ioReadBytes?: number;
  readonly ioWriteBytes?: number;
};

export type AttemptStatus = "waiting" | "running" | "succeeded" | "failed";

export type Attempt = AttemptUsage & {
  readonly id: string;
  /** Of the recipe as it was submitted. */
  readonly recipe: Digest;
  /** Of the recipe with nodes in the places of other recipes' outputs, once these are known; the same digest when there are none. */
  readonly resolved?: Digest;
  /** A few words for listings, such as a derivation's name; not part of the recipe. */
  readonly label: string;
  readonly builder: string;
  readonly status: AttemptStatus;
  /** Milliseconds since 1970. */
  readonly queuedAtMs: number;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  /** Once it ended. */
  readonly end?: AttemptEnd;
  /** The whole log as a blob, once the attempt ended. */
  readonly log?: Digest;
  readonly logBytes?: number;
  /** In the order of the recipe's outputs; empty unless the program succeeded. */
  readonly outputs: readonly AttemptOutput[];
};

/** Whether nothing of it will change any more, but for a refusal. */
export function hasEnded({ status }: Pick<Attempt, "status">): boolean {
  return status === "succeeded" || status === "failed";
}

/** How long it ran, in milliseconds; undefined for one that did not end, or was never started. */
export function durationOf({ startedAtMs, endedAtMs }: Attempt): number | undefined {
  return startedAtMs === undefined || endedAtMs === undefined ? undefined : endedAtMs - startedAtMs;
}
