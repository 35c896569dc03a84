/*
The code of a function. `x: y: body` is one LambdaCode of arity 2 with one frame, made when both arguments are there;
`{ a, b ? c, ... }@args: body` has arity 1 and a frame of its formals.
*/

import type { Attrs } from "./attrs.ts";
import type { Instruction } from "./instruction.ts";
import type { Shape } from "./shape.ts";

export type FormalCode = {
  readonly name: string;
  readonly fallback: Instruction | null;
  readonly pos: number;
};

export class LambdaCode {
  readonly arity: number;
  readonly formals: readonly FormalCode[] | null;
  readonly ellipsis: boolean;
  /** Whether slot 1 holds the whole argument (`args@{…}`). */
  readonly named: boolean;
  readonly body: Instruction;
  readonly pos: number;
  /** Where the functions of its second argument and further ones begin. */
  readonly innerPositions: readonly number[];
  /** What it was bound to, for messages; empty when that is not known. */
  readonly name: string;
  /** Argument name of simple lambdas, by index: for printing as XML. */
  readonly argNames: readonly string[];
  /** The last shape it was called with, and where each formal is in it (-1: not there). */
  lastShape: Shape | null = null;
  lastPlan: Int32Array | null = null;

  constructor(
    fields: Pick<
      LambdaCode,
      "arity" | "formals" | "ellipsis" | "named" | "body" | "pos" | "innerPositions" | "name" | "argNames"
    >,
  ) {
    this.arity = fields.arity;
    this.formals = fields.formals;
    this.ellipsis = fields.ellipsis;
    this.named = fields.named;
    this.body = fields.body;
    this.pos = fields.pos;
    this.innerPositions = fields.innerPositions;
    this.name = fields.name;
    this.argNames = fields.argNames;
  }

  /** Where the function of the argument behind the first `given` begins. */
  positionOf(given: number): number {
    return given === 0 ? this.pos : this.innerPositions[given - 1];
  }

  /** Where the function whose body this is begins: the one of the last argument. */
  get bodyPos(): number {
    return this.positionOf(this.arity - 1);
  }

  /** In quotes, or what a function without a name is called. */
  get shownName(): string {
    return this.name === "" ? "anonymous lambda" : `'${this.name}'`;
  }

  /** Where each formal is in sets of this shape. */
  planFor(shape: Shape): Int32Array {
    if (this.lastShape === shape && this.lastPlan !== null) return this.lastPlan;
    const formals = this.formals ?? [];
    const plan = new Int32Array(formals.length);
    for (let i = 0; i < formals.length; i++) plan[i] = shape.indexOf(formals[i].name);
    this.lastShape = shape;
    this.lastPlan = plan;
    return plan;
  }
}

/** Whether every name of `args` is a formal of `code`; the first that is not, otherwise. */
export function unexpectedArgument(code: LambdaCode, args: Attrs): string | undefined {
  const names = new Set(code.formals?.map((formal) => formal.name));
  return args.names.find((name) => !names.has(name));
}
