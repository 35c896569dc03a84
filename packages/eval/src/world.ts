/*
The world of the evaluation under way: what it reads by, and where its sources stand. Evaluation is synchronous and does not nest, so module variables serve; the
machine sets them when an evaluation is entered.
*/

import { assert } from "@firn/base";
import type { EvalIo } from "./io.ts";
import type { Positions } from "./positions.ts";

let io: EvalIo | undefined;
let positions: Positions | undefined;

/** Sets both for what follows. */
export function enterWorld(newIo: EvalIo, newPositions: Positions): void {
  io = newIo;
  positions = newPositions;
}

/** All that can be read and asked. */
export function currentIo(): EvalIo {
  assert(io !== undefined, "an evaluation was entered");
  return io;
}

/** The number line of source positions. */
export function currentPositions(): Positions {
  assert(positions !== undefined, "an evaluation was entered");
  return positions;
}
