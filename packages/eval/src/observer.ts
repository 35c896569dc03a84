/*
What an embedder can be told while a program runs: for statistics, traces, profiles, coverage. Positions are global ones (positions.ts). Nothing
here looks at a clock: who wants times takes them when he is told.

Being told costs time, not being told costs none: see observing.ts.
*/

import type { ByteString } from "@firn/base";
import type { Instruction } from "./instruction.ts";
import type { Value } from "./value.ts";

/** A function of the program. `x: y: body` is one function of two arguments. */
export type ObservedFunction = {
  /** What it was bound to; empty when that is not known. */
  readonly name: string;
  readonly pos: number;
  readonly arity: number;
  /** Slots of the frame it runs in. */
  readonly slots: number;
};

export type ObservedSource = {
  /** What messages call it: a path, `«string»`. */
  readonly label: ByteString;
  readonly bytes: number;
  /** Whether its code was kept from before. */
  readonly cached: boolean;
};

/**
 * All methods are optional; those that are there are called on the evaluating thread, between two steps of the program, and must not throw or
 * evaluate. Whatever was entered is left, by a value or by an error.
 */
export interface Observer {
  /** A source will be run; called once for each, before it is. */
  compiled?(source: ObservedSource): void;
  /** An expression `f a b`, or an operator that is a builtin, at `pos`. */
  callEntered?(pos: number): void;
  callLeft?(pos: number): void;
  /** The body of a function; its arguments are there. Also when a builtin calls it. */
  functionEntered?(fn: ObservedFunction): void;
  functionLeft?(fn: ObservedFunction): void;
  /** A builtin by its name in `builtins`; operators as the builtins they stand for (`sub`, `mul`, `div`, `lessThan`). */
  builtinEntered?(name: string): void;
  /** `result` is undefined when it failed. */
  builtinLeft?(name: string, result: Value | undefined): void;
  /** A lazy position got a thunk, or was given its value at once. */
  thunkMade?(pos: number): void;
  thunkAvoided?(pos: number): void;
  /** A thunk is computed. */
  thunkForced?(pos: number): void;
  /** An instruction was made, by compiling or by reading what was kept. */
  instructionMade?(): void;
  /** By name of an operation (instruction.ts): it ran and gave a value. */
  readonly ran?: Readonly<Record<string, (i: Instruction, value: Value) => void>>;
}
