/*
What an evaluation needs done before it can go on: objects written, outputs built, addresses fetched. The evaluation is synchronous and so
is this interface; whoever hosts the evaluator implements it, by blocking its thread until another one has done the work.
*/

import type { ByteString } from "@firn/base";
import type { PendingObject } from "./pending.ts";

/** An output that has to be in the store. */
export type OutputTarget = {
  /** Absolute; where the .drv is an output itself, `<output>!<path of a .drv>`. */
  readonly drvPath: ByteString;
  readonly output: string;
  /** Absolute; empty where the derivation does not say it. */
  readonly path: ByteString;
};

export type RealiseRequest = {
  /** Written first; as `writePending` takes them. */
  readonly objects: readonly PendingObject[];
  readonly outputs: readonly OutputTarget[];
};

/** Something to fetch without knowing what it will be. */
export type FetchRequest = { readonly url: string; readonly name: string; readonly unpack: boolean };

/** Methods throw EvalError: `store` with the words of what failed, `cancelled` when the evaluation was stopped meanwhile. */
export interface Realiser {
  /** Writes and builds, all of it or an error, and yields the outputs' absolute paths in their order. Afterwards everything can be read from the store. */
  realise(request: RealiseRequest): readonly ByteString[];
  /** Fetches, registers what came, and yields its absolute store path. */
  fetch(request: FetchRequest): ByteString;
}
