/*
Executes recipes. Local builders, proxies and balancers all are BuildServices. An attempt outlives the call that asked for
it: it is submitted, then watched by any number of watchers from any point, listed, cancelled.
*/

import type { Digest, Lease } from "@firn/castore";
import type { Attempt } from "./attempt.ts";
import type { Recipe } from "./recipe.ts";

export type BuildServiceSupports = {
  /** Nix system names it can build for. */
  readonly systems: readonly string[];
  readonly features: readonly string[];
  /** What its sandbox keeps apart. Without `network`, recipes see the host's network whatever they ask. */
  readonly isolation: { readonly files: boolean; readonly network: boolean; readonly processes: boolean };
};

/** Limits of one attempt; they are not part of the recipe because they cannot change what a success yields. */
export type AttemptLimits = {
  readonly timeoutMs?: number;
  readonly silenceMs?: number;
  /** Most bytes the build directory and the outputs may take. */
  readonly buildSpaceBytes?: number;
  /** Most memory its processes may use together; `unsupported` where the sandbox cannot bound it. */
  readonly memoryBytes?: number;
  /** Most bytes its log may have. */
  readonly logBytesMax?: number;
};

export type SubmitOptions = AttemptLimits & {
  /** A few words for listings and progress, such as a derivation's name. Not part of the recipe. */
  readonly label?: string;
  /** Holds the outputs and the log of a success from the moment they are there; without it garbage collection may take them once the attempt ended. */
  readonly lease?: Lease;
  /** Withdraws this submission, before or after it was answered. An attempt whose submissions were all withdrawn is cancelled. */
  readonly signal?: AbortSignal;
};

/** What a watcher sees. `at` is the byte offset in the log just after this event, so a watcher can go on from there. */
export type AttemptEvent =
  | { readonly type: "started"; readonly attempt: Attempt }
  | { readonly type: "log"; readonly bytes: Uint8Array; readonly at: number }
  | { readonly type: "ended"; readonly attempt: Attempt };

export interface BuildService {
  readonly supports: BuildServiceSupports;

  /**
   * Starts an attempt and yields its id. All inputs must be nodes, or outputs of recipes this service has built. A recipe being
   * built already is joined. Rejects only for what is wrong before the start (`invalid-recipe`, `missing-input`, `unsupported`).
   */
  submit(recipe: Recipe, options?: SubmitOptions): Promise<string>;

  /** Events from log offset `from` (default 0) until the attempt ended; the last one is `ended`. Throws `unknown-attempt`. The bytes are shared between watchers, do not write to them. Ending the iteration does not cancel the attempt. */
  watch(id: string, options?: { readonly from?: number; readonly signal?: AbortSignal }): AsyncIterable<AttemptEvent>;

  /** Ends the attempt and all its processes; resolves when they are gone. Nothing happens if it ended already. */
  cancel(id: string): Promise<void>;

  get(id: string): Promise<Attempt | undefined>;

  /** Attempts, newest first. */
  list(filter?: { readonly recipe?: Digest; readonly limit?: number }): AsyncIterable<Attempt>;
}
