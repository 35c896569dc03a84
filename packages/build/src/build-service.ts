/*
Executes recipes. Local builders, proxies and balancers all are BuildServices. An attempt outlives the call that asked for
it: it is submitted, then watched by any number of watchers from any point, listed, cancelled.

What is submitted is a graph: recipes whose inputs name outputs of other recipes wait for these, and are tied to nodes when these are
known. From there on only the contents count. A recipe whose inputs turn out to be what they were before is not executed again when its
submitter lets successes be used again (`reuse`), however often what it needs was rebuilt.
*/

import type { Digest, Lease } from "@firn/castore";
import type { Attempt, AttemptStatus, Refusal } from "./attempt.ts";
import type { Recipe } from "./recipe.ts";

export type BuildServiceSupports = {
  /** Nix system names it can build for. */
  readonly systems: readonly string[];
  readonly features: readonly string[];
  /** What its sandbox keeps apart. Without `network`, recipes see the host's network whatever they ask. */
  readonly isolation: { readonly files: boolean; readonly network: boolean; readonly processes: boolean };
};

/** One recipe of a submission. */
export type SubmittedRecipe = {
  readonly recipe: Recipe;
  /** A few words for listings and progress, such as a derivation's name. Not part of the recipe. */
  readonly label?: string;
  /** How long what waits for this one beyond the submission is expected to take, at least; the longest chain goes first. */
  readonly chainMs?: number;
  /** What `recipe` was before the outputs it needed were known; the attempt is remembered under both. Given by builders that tie recipes for others. */
  readonly tiedFrom?: Recipe;
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

/** The limits alone, of options that say more. */
export function limitsOf(options: AttemptLimits): AttemptLimits {
  const { timeoutMs, silenceMs, buildSpaceBytes, memoryBytes, logBytesMax } = options;
  return { timeoutMs, silenceMs, buildSpaceBytes, memoryBytes, logBytesMax };
}

/** The limits are those of each attempt. */
export type SubmitOptions = AttemptLimits & {
  /** `success`: an earlier success with the same inputs whose outputs are still there is used again. `never` when not said. */
  readonly reuse?: "success" | "never";
  /** After a failure goes on with what does not need what failed; otherwise the submission is withdrawn. */
  readonly keepGoing?: boolean;
  /** Rather on this machine, where the service has a choice. */
  readonly preferLocal?: boolean;
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

export type WatchOptions = {
  /** Log offset to begin at; 0 when not said. */
  readonly from?: number;
  /** False: the log is passed over. True when not said. */
  readonly log?: boolean;
  /** Log bytes may be put here, and are then good until the next event is asked for: for who would otherwise make garbage of all of a log. */
  readonly buffer?: Uint8Array;
  readonly signal?: AbortSignal;
};

export type AttemptFilter = {
  /** As submitted or as tied to nodes. */
  readonly recipe?: Digest;
  readonly label?: string;
  readonly status?: AttemptStatus;
  /** Ids that begin like this. */
  readonly idPrefix?: string;
  /** Submitted at this time or later, in milliseconds since 1970. */
  readonly sinceMs?: number;
  /** Most attempts of a page; 100 when not said, at least 1 and at most 1000. */
  readonly limit?: number;
  /** `next` of the page before, which was asked for with the same filter. */
  readonly cursor?: string;
};

/** `next` is there when there may be more. */
export type AttemptPage = { readonly attempts: readonly Attempt[]; readonly next?: string };

export interface BuildService {
  readonly supports: BuildServiceSupports;

  /**
   * Queues an attempt of each recipe and yields their ids in this order. Inputs are nodes, outputs of recipes submitted with it, or of
   * ones being built or built before. A recipe under way already is joined, and so is one that becomes equal to it when its inputs are known;
   * like one that is answered by an earlier success, its id then stands for the other attempt. Rejects, before anything was started, for
   * what is wrong with the submission (`invalid-recipe`, `missing-input`, `unsupported`).
   */
  submit(recipes: readonly SubmittedRecipe[], options?: SubmitOptions): Promise<readonly string[]>;

  /**
   * Events from log offset `from` until the attempt ended; the last one is `ended`, and `started` is left out for one that never was.
   * Throws `unknown-attempt`. The bytes are shared between watchers, do not write to them. Ending the iteration does not cancel the attempt.
   */
  watch(id: string, options?: WatchOptions): AsyncIterable<AttemptEvent>;

  /** Ends the attempt and all its processes; resolves when they are gone. Nothing happens if it ended already, or is not known. */
  cancel(id: string): Promise<void>;

  /**
   * Makes a success a failure: its submitter looked at the outputs and they are not what they had to be. It is not used again. Nothing
   * happens to one that failed already. Throws `unknown-attempt`.
   */
  refuse(id: string, refusal: Refusal): Promise<void>;

  get(id: string): Promise<Attempt | undefined>;

  /** Attempts, newest first. */
  list(filter?: AttemptFilter): Promise<AttemptPage>;

  /** The recipe of an attempt that is still known, by its digest as submitted or as tied to nodes. */
  recipe(digest: Digest): Promise<Recipe | undefined>;
}
