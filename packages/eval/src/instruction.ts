/*
Instructions. Code is a tree of them; each carries the two functions that run it: `ev` evaluates in an environment, `th` yields a
value or a thunk for a lazy position. So running is calling (`i.ev(i, env)`), with no dispatch in between, and the tree is nothing but
data: an operation's number and operands.

Every operation is one entry of the table below, defined beside its functions (ops-*.ts) with its operands and a sentence on its
meaning; disassembler, encoder and documentation derive from the table.
*/

import { assert } from "@firn/base";
import type { CodePlace } from "./code-place.ts";
import { type Env, type Lazy, Thunk, type Value } from "./value.ts";

export type EvFunction = (i: Instruction, env: Env) => Value;
export type ThFunction = (i: Instruction, env: Env) => Lazy;

/**
 * What an operand holds: a constant value, an instruction, a list of instructions, a number, a list of numbers, a name, an attribute path
 * (names and instructions), a shape, a lambda, what `link` makes of the place the code is at, or a cache the machine fills in itself.
 */
export type OperandKind =
  | "const"
  | "code"
  | "codes"
  | "number"
  | "numbers"
  | "name"
  | "path"
  | "shape"
  | "lambda"
  | "linked"
  | "cache";

export type Operation = {
  readonly number: number;
  readonly name: string;
  /** Kind and name of each operand, in the order a, b, c, d, e. */
  readonly operands: readonly (readonly [OperandKind, string])[];
  readonly meaning: string;
  readonly ev: EvFunction;
  readonly th: ThFunction;
  /** Fills the linked operands from the others and the place. */
  readonly link: ((i: Instruction, place: CodePlace) => void) | undefined;
};

/** The instruction set, by number. */
export const OPERATIONS: Operation[] = [];

export class Instruction {
  ev: EvFunction;
  th: ThFunction;
  op: number;
  /** Global source position, 0 when there is none. */
  pos: number;
  // biome-ignore-start lint/suspicious/noExplicitAny: what an operand holds is said by the table, by kind.
  a: any;
  b: any;
  c: any;
  d: any;
  e: any;
  constructor(operation: Operation, pos: number, a?: any, b?: any, c?: any) {
    this.ev = operation.ev;
    this.th = operation.th;
    this.op = operation.number;
    this.pos = pos;
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = null;
    this.e = 0;
  }
  // biome-ignore-end lint/suspicious/noExplicitAny: end of the operands.
}

/** What most operations do in a lazy position. */
export const suspend: ThFunction = (i, env) => new Thunk(i, env);

/** Adds an operation to the table. */
export function defineOperation(
  name: string,
  operands: Operation["operands"],
  meaning: string,
  ev: EvFunction,
  th: ThFunction = suspend,
  link?: Operation["link"],
): Operation {
  assert(operands.length <= 5, "an instruction has five operands");
  const operation: Operation = { number: OPERATIONS.length, name, operands, meaning, ev, th, link };
  OPERATIONS.push(operation);
  return operation;
}
