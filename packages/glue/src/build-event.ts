/*
What building tells while it goes on, for progress displays.
*/

import type { ByteString } from "@firn/base";
import type { GlueError } from "./error.ts";

/** Derivations of the plan: all, being built, done, failed (because of others, too). */
export type BuildCounts = {
  readonly planned: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
};

export type PlannedDerivation = {
  readonly drvPath: ByteString;
  readonly name: string;
  /** What it waits for, of the plan. */
  readonly dependencies: readonly ByteString[];
};

/** For progress displays. `name` is the derivation's, without hash and `.drv`. */
export type BuildEvent =
  | {
      readonly type: "planned";
      readonly derivations: readonly PlannedDerivation[];
      readonly counts: BuildCounts;
    }
  /** Does not come for one that turns out to be built already, when its inputs are. */
  | { readonly type: "started"; readonly drvPath: ByteString; readonly name: string; readonly counts: BuildCounts }
  /** A line of the builder's output without its end, at most 16 KiB; longer lines come in pieces. */
  | { readonly type: "log"; readonly drvPath: ByteString; readonly name: string; readonly line: ByteString }
  | {
      readonly type: "finished";
      readonly drvPath: ByteString;
      readonly name: string;
      readonly outputs: ReadonlyMap<string, ByteString>;
      readonly counts: BuildCounts;
    }
  | {
      readonly type: "failed";
      readonly drvPath: ByteString;
      readonly name: string;
      readonly error: GlueError;
      /** The derivation whose failure is the reason; absent where it is its own. */
      readonly because?: ByteString;
      readonly counts: BuildCounts;
    };
