/*
One execution of a recipe on one builder: what happened, when, at what cost, and what came out. Failed attempts are kept
just as successful ones. What is unknown is undefined, never 0.
*/

import type { ByteString } from "@firn/base";
import type { Digest, Node } from "@firn/castore";

/** Why an attempt ended. `detail` fields are facts; the sentence for people is made from them by the one who shows it. */
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
  | { readonly reason: "infrastructure"; readonly why: string };

export type AttemptOutput = {
  readonly path: ByteString;
  readonly node: Node;
  /** Indexes into the recipe's needles that occur in this output, ascending. */
  readonly needles: readonly number[];
};

export type Attempt = {
  readonly id: string;
  readonly recipe: Digest;
  readonly builder: string;
  readonly status: "running" | "succeeded" | "failed";
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  readonly end?: AttemptEnd;
  readonly cpuUserMs?: number;
  readonly cpuSystemMs?: number;
  readonly memoryPeakBytes?: number;
  readonly ioReadBytes?: number;
  readonly ioWriteBytes?: number;
  /** The whole log as a blob, once the attempt ended. */
  readonly log?: Digest;
  readonly logBytes?: number;
  /** In the order of the recipe's outputs; empty unless succeeded. */
  readonly outputs: readonly AttemptOutput[];
};
