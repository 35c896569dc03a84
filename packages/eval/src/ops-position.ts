/*
`__curPos`, which asks where the code stands, and what a position looks like as a value.
*/

import { Attrs } from "./attrs.ts";
import { defineOperation } from "./instruction.ts";
import { intern } from "./intern.ts";
import { currentPositions } from "./world.ts";
import { Shape } from "./shape.ts";
import type { Value } from "./value.ts";

const POSITION = new Shape(["column", "file", "line"].map(intern), null);

/** `{ column, file, line }`, or null where no file is known. */
export function positionValue(pos: number): Value {
  const at = currentPositions().resolve(pos);
  if (at?.origin.file === undefined) return null;
  return new Attrs(POSITION, [at.column, at.origin.file, at.line]);
}

export const CUR_POS = defineOperation("cur-pos", [], "`__curPos`: file, line and column of this place.", (i) =>
  positionValue(i.pos),
);
