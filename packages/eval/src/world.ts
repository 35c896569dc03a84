/*
The world of the evaluation under way: what it reads by, where its sources stand, how its language is set. Evaluation is synchronous and does not nest, so module variables serve; the
machine sets them when an evaluation is entered.
*/

import { assert } from "@firn/base";
import type { EvalIo } from "./io.ts";
import type { LanguageOptions } from "./language-options.ts";
import type { Positions } from "./positions.ts";

let io: EvalIo | undefined;
let positions: Positions | undefined;
let language: LanguageOptions = {};

/** Sets them for what follows. */
export function enterWorld(newIo: EvalIo, newPositions: Positions, newLanguage: LanguageOptions): void {
  io = newIo;
  positions = newPositions;
  language = newLanguage;
}

/** What builtins do differently when a setting says so. */
export function currentLanguage(): LanguageOptions {
  return language;
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
