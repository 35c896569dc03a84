/*
How observers are told without a test on any hot path: for as long as an observed evaluation runs, the table of operations holds functions
that tell and then do what the plain ones do. Instructions take their functions from the table when they are made, so those of an observed
evaluator tell and no others know of it.

Functions are told of by a body around their body, thunks by code around their code; builtins are wrapped when the evaluator is made.
*/

import {
  defineOperation,
  type EvFunction,
  Instruction,
  type Operation,
  OPERATIONS,
  type ThFunction,
} from "./instruction.ts";
import { LambdaCode } from "./lambda.ts";
import type { ObservedFunction, Observer } from "./observer.ts";
import { Builtin, Closure, Thunk, type Value } from "./value.ts";

type Functions = { readonly ev: EvFunction; readonly th: ThFunction };

/** Operators that C++ Nix has as calls of builtins. */
const OPERATORS: Readonly<Record<string, string>> = {
  sub: "sub",
  mul: "mul",
  div: "div",
  less: "lessThan",
  "less-equal": "lessThan",
  greater: "lessThan",
  "greater-equal": "lessThan",
};

/** Code that stands for code not read yet is none of the program's. */
const STUB = "stub";

/** Puts functions that tell `observer` into the table of operations. Yields what takes them out again. */
export function installObserver(observer: Observer): () => void {
  const plain = OPERATIONS.map(({ ev, th }): Functions => ({ ev, th }));
  const { instructionMade } = observer;
  for (const operation of OPERATIONS) {
    const { ev, th } = observed(operation, observer);
    const onRead = operation.name === STUB ? undefined : instructionMade?.bind(observer);
    replace(operation, { ev, th }, onRead);
  }
  return () => OPERATIONS.forEach((operation, n) => replace(operation, plain[n]));
}

/** `onRead` is called whenever `ev` is read, which is part of making an instruction. */
function replace(operation: Operation, { ev, th }: Functions, onRead?: () => void): void {
  const read = () => {
    onRead?.();
    return ev;
  };
  const data = { writable: true, enumerable: true, configurable: true };
  Object.defineProperty(operation, "ev", onRead === undefined ? { ...data, value: ev } : { get: read });
  Object.defineProperty(operation, "th", { ...data, value: th });
}

/** A builtin that tells `observer` of its calls. */
export function observedBuiltin(builtin: Builtin, observer: Observer): Builtin {
  const { builtinEntered, builtinLeft } = observer;
  if (builtinEntered === undefined && builtinLeft === undefined) return builtin;
  const { name, arity, fn } = builtin;
  return new Builtin(name, arity, (...args: unknown[]) => telling(observer, name, () => fn(...args)));
}

function telling(observer: Observer, name: string, work: () => Value): Value {
  observer.builtinEntered?.(name);
  let result: Value | undefined;
  try {
    result = work();
    return result;
  } finally {
    observer.builtinLeft?.(name, result);
  }
}

function observed(operation: Operation, observer: Observer): Functions {
  let functions: Functions = operation;
  if (operation.name === "lambda") functions = tellingOfFunctions(functions, observer);
  if (operation.name.startsWith("call-") || Object.hasOwn(OPERATORS, operation.name))
    functions = tellingOfCalls(functions, OPERATORS[operation.name], observer);
  const ran = observer.ran?.[operation.name];
  if (ran !== undefined) functions = tellingOfValues(functions, ran);
  const { thunkMade, thunkAvoided, thunkForced } = observer;
  if (thunkMade !== undefined || thunkAvoided !== undefined || thunkForced !== undefined)
    functions = tellingOfThunks(functions, observer);
  return functions;
}

function tellingOfCalls({ ev, th }: Functions, operator: string | undefined, observer: Observer): Functions {
  const { callEntered, callLeft, builtinEntered, builtinLeft } = observer;
  const run: EvFunction =
    operator === undefined || (builtinEntered === undefined && builtinLeft === undefined)
      ? ev
      : (i, env) => telling(observer, operator, () => ev(i, env));
  if (callEntered === undefined && callLeft === undefined) return { ev: run, th };
  return {
    ev: (i, env) => {
      observer.callEntered?.(i.pos);
      try {
        return run(i, env);
      } finally {
        observer.callLeft?.(i.pos);
      }
    },
    th,
  };
}

function tellingOfValues({ ev, th }: Functions, ran: (i: Instruction, value: Value) => void): Functions {
  return {
    ev: (i, env) => {
      const value = ev(i, env);
      ran(i, value);
      return value;
    },
    // What needs no thunk ran as well.
    th: (i, env) => {
      const lazy = th(i, env);
      if (!(lazy instanceof Thunk)) ran(i, lazy);
      return lazy;
    },
  };
}

const FORCED = defineOperation(
  "observed-thunk",
  [
    ["code", "code"],
    ["cache", "observer"],
  ],
  "The code of a thunk whose observer is told that it is computed.",
  (i, env) => {
    (i.b as Observer).thunkForced?.(i.pos);
    return i.a.ev(i.a, env);
  },
);

function tellingOfThunks({ ev, th }: Functions, observer: Observer): Functions {
  return {
    ev,
    th: (i, env) => {
      const lazy = th(i, env);
      if (lazy instanceof Thunk && lazy.code === i) {
        observer.thunkMade?.(i.pos);
        if (observer.thunkForced !== undefined) lazy.code = new Instruction(FORCED, i.pos, i, observer);
      } else observer.thunkAvoided?.(i.pos);
      return lazy;
    },
  };
}

const BODY = defineOperation(
  "observed-body",
  [
    ["code", "body"],
    ["cache", "function"],
    ["cache", "observer"],
  ],
  "The body of a function whose observer is told of its calls.",
  (i, env) => {
    const observer: Observer = i.c;
    observer.functionEntered?.(i.b);
    try {
      return i.a.ev(i.a, env);
    } finally {
      observer.functionLeft?.(i.b);
    }
  },
);

function tellingOfFunctions(functions: Functions, observer: Observer): Functions {
  if (observer.functionEntered === undefined && observer.functionLeft === undefined) return functions;
  const known = new WeakMap<LambdaCode, LambdaCode>();
  const make: EvFunction = (i, env) => {
    const code: LambdaCode = i.a;
    let around = known.get(code);
    if (around === undefined) {
      const body = new Instruction(BODY, code.body.pos, code.body, toldOf(code), observer);
      known.set(code, (around = new LambdaCode({ ...code, body })));
    }
    return new Closure(around, env);
  };
  return { ev: make, th: make };
}

function toldOf(code: LambdaCode): ObservedFunction {
  const { name, pos, arity, formals, named } = code;
  const slots = formals === null ? arity : formals.length + (named ? 1 : 0);
  return { name, pos, arity, slots };
}
