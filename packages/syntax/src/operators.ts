/*
How strongly operators bind, as tables by token kind; the numbers follow the order of C++ Nix's parser.y, weakest first.
*/

import * as t from "./token.ts";
import type { BinaryOp } from "./tree.ts";

export const NON_ASSOC = 0;
const LEFT = 1;
export const RIGHT = 2;

/** Binding power and associativity by token kind; 0 is not an operator. The pipes stand lowest. */
export const POWER = new Uint8Array(64);
export const ASSOC = new Uint8Array(64);
export const OPERATOR: BinaryOp[] = [];
for (const [power, assoc, kinds] of [
  [2, RIGHT, [t.T_IMPL]],
  [3, LEFT, [t.T_OR_OR]],
  [4, LEFT, [t.T_AND]],
  [5, NON_ASSOC, [t.T_EQ, t.T_NEQ]],
  [6, NON_ASSOC, [t.T_LT, t.T_GT, t.T_LE, t.T_GE]],
  [7, RIGHT, [t.T_UPDATE]],
  [9, LEFT, [t.T_PLUS, t.T_MINUS]],
  [10, LEFT, [t.T_MUL, t.T_DIV]],
  [11, RIGHT, [t.T_CONCAT]],
] as [number, number, number[]][]) {
  for (const kind of kinds) {
    POWER[kind] = power;
    ASSOC[kind] = assoc;
    OPERATOR[kind] = t.TOKEN_NAMES[kind].slice(1, -1) as BinaryOp;
  }
}
export const POWER_NOT = 8;
export const POWER_HAS_ATTR = 12;
