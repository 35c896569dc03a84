/*
What an evaluation did, counted: the numbers that C++ Nix shows with NIX_SHOW_STATS, of this machine's own doing. An observer counts them, so an
evaluation that is not counted does not know of them.

DEVIATION: a function of several arguments has one frame here where C++ Nix has one for each, attribute selections are counted where they
stand (C++ Nix 2.35 leaves that list empty), and a value is whatever needs an object of its own: thunks, functions, sets, lists.
*/

import { Attrs } from "./attrs.ts";
import type { Instruction } from "./instruction.ts";
import { internedNames } from "./intern.ts";
import type { ObservedFunction, Observer } from "./observer.ts";
import type { Value } from "./value.ts";

const POINTER_BYTES = 8;
/** As V8 lays them out: what each has besides one pointer an element. */
const SIZES = { Env: 48, Value: 40, Bindings: 96, Attr: POINTER_BYTES } as const;

export type CallCounts = {
  /** Calls of each builtin. */
  readonly primops: Readonly<Record<string, number>>;
  readonly functions: readonly { readonly name: string; readonly pos: number; readonly count: number }[];
  /** How often an attribute was selected at each place. */
  readonly attributes: readonly { readonly pos: number; readonly count: number }[];
};

/** In C++ Nix's words and units; see `EvalState::printStatistics`. */
export type EvalCounts = {
  readonly envs: { readonly number: number; readonly elements: number; readonly bytes: number };
  readonly list: { readonly elements: number; readonly bytes: number; readonly concats: number };
  readonly values: { readonly number: number; readonly bytes: number };
  readonly symbols: { readonly number: number; readonly bytes: number };
  readonly sets: { readonly number: number; readonly elements: number; readonly bytes: number };
  readonly sizes: { readonly Env: number; readonly Value: number; readonly Bindings: number; readonly Attr: number };
  readonly nrExprs: number;
  readonly nrOpUpdates: number;
  readonly nrOpUpdateValuesCopied: number;
  readonly nrThunks: number;
  readonly nrAvoided: number;
  readonly nrLookups: number;
  readonly nrPrimOpCalls: number;
  readonly nrFunctionCalls: number;
};

export class Statistics {
  /** To be given to the evaluator. */
  readonly observer: Observer;
  readonly #primops = new Map<string, number>();
  readonly #functions = new Map<ObservedFunction, number>();
  readonly #selections = new Map<number, number>();
  /** Lists and sets that were counted; builtins often yield one that is there already. */
  readonly #known = new WeakSet<object>();
  #envs = 0;
  #envElements = 0;
  #lists = 0;
  #listElements = 0;
  #concats = 0;
  #sets = 0;
  #setElements = 0;
  #closures = 0;
  #exprs = 0;
  #updates = 0;
  #updateValuesCopied = 0;
  #thunks = 0;
  #avoided = 0;
  #lookups = 0;
  #builtinCalls = 0;
  #functionCalls = 0;

  /** `calls`: whether calls are counted by what is called too. */
  constructor(calls: boolean) {
    const value = (_: Instruction, made: Value) => this.#made(made);
    const lookUps = (pos: number, count: number) => {
      this.#lookups += count;
      if (calls) increment(this.#selections, pos);
    };
    this.observer = {
      functionEntered: (fn) => {
        this.#functionCalls += fn.arity;
        this.#frame(fn.slots);
        if (calls) increment(this.#functions, fn);
      },
      builtinEntered: (name) => {
        this.#builtinCalls++;
        if (calls) increment(this.#primops, name);
      },
      builtinLeft: (_, result) => this.#made(result),
      thunkMade: () => void this.#thunks++,
      thunkAvoided: () => void this.#avoided++,
      instructionMade: () => void this.#exprs++,
      ran: {
        lambda: () => void this.#closures++,
        let: (i) => this.#frame(i.a.length),
        sources: (i) => this.#frame(i.a.length),
        with: () => this.#frame(1),
        rec: (i, made) => {
          this.#frame(i.b.length);
          this.#made(made);
        },
        attrs: value,
        "attrs-dynamic": value,
        list: value,
        update: (_, made) => {
          this.#updates++;
          const before = this.#setElements;
          this.#made(made);
          this.#updateValuesCopied += this.#setElements - before;
        },
        concat: (_, made) => {
          this.#concats++;
          this.#made(made);
        },
        select: (i) => lookUps(i.pos, 1),
        "select-path": (i) => lookUps(i.pos, i.b.length),
        "select-or": (i) => lookUps(i.pos, i.b.length),
      },
    };
  }

  #frame(elements: number): void {
    this.#envs++;
    this.#envElements += elements;
  }

  #made(value: Value | undefined): void {
    if (typeof value !== "object" || value === null || this.#known.has(value)) return;
    if (Array.isArray(value)) {
      this.#lists++;
      this.#listElements += value.length;
    } else if (value instanceof Attrs) {
      this.#sets++;
      this.#setElements += value.shape.names.length;
    } else return;
    this.#known.add(value);
  }

  counts(): EvalCounts {
    const bytes = (number: number, each: number, elements = 0) => number * each + elements * POINTER_BYTES;
    const valueCount = this.#thunks + this.#closures + this.#sets + this.#lists;
    const names = internedNames();
    let nameBytes = 0;
    for (const name of names) nameBytes += name.length;
    return {
      envs: {
        number: this.#envs,
        elements: this.#envElements,
        bytes: bytes(this.#envs, SIZES.Env, this.#envElements),
      },
      list: {
        elements: this.#listElements,
        bytes: bytes(this.#lists, SIZES.Env, this.#listElements),
        concats: this.#concats,
      },
      values: { number: valueCount, bytes: bytes(valueCount, SIZES.Value) },
      symbols: { number: names.length, bytes: nameBytes },
      sets: {
        number: this.#sets,
        elements: this.#setElements,
        bytes: bytes(this.#sets, SIZES.Bindings, this.#setElements),
      },
      sizes: SIZES,
      nrExprs: this.#exprs,
      nrOpUpdates: this.#updates,
      nrOpUpdateValuesCopied: this.#updateValuesCopied,
      nrThunks: this.#thunks,
      nrAvoided: this.#avoided,
      nrLookups: this.#lookups,
      nrPrimOpCalls: this.#builtinCalls,
      nrFunctionCalls: this.#functionCalls,
    };
  }

  /** Calls by what was called, most frequent first. */
  callCounts(): CallCounts {
    return {
      primops: Object.fromEntries(mostFrequent(this.#primops)),
      functions: mostFrequent(this.#functions).map(([{ name, pos }, count]) => ({ name, pos, count })),
      attributes: mostFrequent(this.#selections).map(([pos, count]) => ({ pos, count })),
    };
  }
}

function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function mostFrequent<K>(counts: ReadonlyMap<K, number>): [K, number][] {
  return [...counts].sort((a, b) => b[1] - a[1]);
}
