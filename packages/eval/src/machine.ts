/*
The abstract machine: forcing and calling. It recurses on the JavaScript stack, in a worker with a big one, and counts its calls so
that endless recursion ends in Nix's error rather than in an overflow.

The state here is one evaluation's: evaluation is synchronous and does not nest, so module variables serve and cost nothing to reach.
`enterEvaluation` sets them; everything else in this package assumes that it was called.
*/

import { closestNames } from "@firn/base";
import { EvalError, framed } from "./error.ts";
import type { EvalIo } from "./io.ts";
import { Attrs } from "./attrs.ts";
import { defineOperation, Instruction } from "./instruction.ts";
import { type LambdaCode, unexpectedArgument } from "./lambda.ts";
import type { LanguageOptions } from "./language-options.ts";
import type { Positions } from "./positions.ts";
import { typeError } from "./type-name.ts";
import { enterWorld } from "./world.ts";
import { Builtin, Closure, type Env, type Lazy, PartialApplication, Thunk, type Value } from "./value.ts";

/** Told by another thread, read by the machine: not 0 means stop. */
export type CancelWord = Int32Array;

let callDepth = 0;
let callDepthMax = 10_000;
let callsUntilPoll = 0;
let cancelWord: CancelWord | undefined;

const CALLS_PER_POLL = 4096;

/** Sets the limits for what follows. */
export function enterEvaluation(
  io: EvalIo,
  positions: Positions,
  limits: { readonly callDepthMax: number; readonly cancelWord?: CancelWord },
  language: LanguageOptions = {},
): void {
  callDepth = 0;
  enterWorld(io, positions, language);
  callDepthMax = limits.callDepthMax;
  cancelWord = limits.cancelWord;
  callsUntilPoll = CALLS_PER_POLL;
}

/** Asks whether to stop; for loops inside builtins as well. */
export function poll(): void {
  callsUntilPoll = CALLS_PER_POLL;
  if (cancelWord !== undefined && Atomics.load(cancelWord, 0) !== 0) {
    throw new EvalError("cancelled", "evaluation was interrupted");
  }
}

/** The call depth, to be put back by whoever catches an error. */
export function savedDepth(): number {
  return callDepth;
}
export function restoreDepth(depth: number): void {
  callDepth = depth;
}

/** One level deeper in something that is no call but nests as deep: values inside values. `restoreDepth` goes back. */
export function deepen(pos = 0): void {
  if (callDepth++ > callDepthMax) tooDeep(pos);
}

function tooDeep(pos: number): never {
  throw new EvalError("stack-overflow", "stack overflow; max-call-depth exceeded", pos);
}

const BLACKHOLE = new Instruction(
  defineOperation(
    "blackhole",
    [],
    "Stands for a thunk that is being computed: meeting it is infinite recursion.",
    (i) => {
      throw new EvalError("infinite-recursion", "infinite recursion encountered", i.pos);
    },
  ),
  0,
);

/** The value of a lazy value, in weak head normal form. */
export function force(value: Lazy): Value {
  return value instanceof Thunk ? forceThunk(value) : value;
}

/** `pos` is who asks, for the message about endless recursion. */
export function forceThunk(thunk: Thunk, pos = 0): Value {
  const code = thunk.code;
  if (code === null) return thunk.env;
  if (code === BLACKHOLE) throw new EvalError("infinite-recursion", "infinite recursion encountered", pos);
  const env = thunk.env;
  thunk.code = BLACKHOLE;
  thunk.env = null;
  try {
    const value = code.ev(code, env);
    thunk.code = null;
    thunk.env = value;
    return value;
  } catch (thrown) {
    const isFirst = code !== FAILED && thrown instanceof EvalError && thrown.code !== "cancelled";
    // What is no answer (an interruption, a stack without room) is put back, and so is an answer that was kept before.
    thunk.code = isFirst ? FAILED : code;
    thunk.env = isFirst ? thrown : env;
    throw thrown;
  }
}

/**
 * An error is an answer too: asking again gives it again, without computing or tracing anything twice. Kept is the error itself, so that the copies
 * have the frames it got on its way to whoever caught it. Follows `handleEvalExceptionForThunk` and `Failed::rethrow`.
 */
const FAILED = new Instruction(
  defineOperation("failed", [], "Stands for a thunk that failed: its environment is the error.", (_, env) => {
    throw (env as unknown as EvalError).again();
  }),
  0,
);

const NATIVE = new Instruction(
  defineOperation("native", [], "A thunk made by a builtin: its environment is a function.", (_, env) =>
    (env as unknown as () => Value)(),
  ),
  0,
);

/** A thunk that calls a JavaScript function. */
export function lazily(compute: () => Value): Thunk {
  return new Thunk(NATIVE, compute);
}

/** Where a builtin's lazy call is said to be: where its function is defined. */
function placeOfFunction(fn: Lazy): number {
  return fn instanceof Closure ? fn.code.pos : 0;
}

const APPLY_1 = defineOperation(
  "native-apply",
  [],
  "A thunk made by a builtin that calls its function on each of many: its environment is the argument.",
  (i, arg) => call1(force(i.a), arg as unknown as Lazy, placeOfFunction(i.a)),
);

/** The code of thunks for `fn arg`, one for all that a builtin makes: they are `new Thunk(code, arg)`, half the size of one with an environment. */
export function lazyCalls1(fn: Lazy): Instruction {
  return new Instruction(APPLY_1, 0, fn);
}

const APPLY_2 = defineOperation("native-apply-2", [], "As native-apply, with two arguments.", (i, env) => {
  const { first, second } = env as unknown as Arguments2;
  return call2(force(i.a), first, second, i.pos);
});

class Arguments2 {
  readonly first: Lazy;
  readonly second: Lazy;
  constructor(first: Lazy, second: Lazy) {
    this.first = first;
    this.second = second;
  }
}

/** As `lazyCalls1` for `fn a b`; `pos` is the call's position, when it has one. */
export function lazyCalls2(fn: Lazy, pos = 0): Instruction {
  return new Instruction(APPLY_2, pos, fn);
}

/** A thunk for the call that `code`, made by `lazyCalls2`, does with these arguments. */
export function lazyCall2(code: Instruction, first: Lazy, second: Lazy): Thunk {
  return new Thunk(code, new Arguments2(first, second));
}

/** `fn arg`. `pos` is the call's position. */
export function call1(fn: Value, arg: Lazy, pos: number): Value {
  if (fn instanceof Closure) {
    const code = fn.code;
    if (code.arity !== 1) return new PartialApplication(fn, [arg]);
    if (callDepth++ > callDepthMax) tooDeep(pos);
    if (--callsUntilPoll < 0) poll();
    const env = code.formals === null ? [fn.env, arg] : formalsFrame(code, fn.env, arg, pos);
    let result: Value;
    try {
      const body = code.body;
      result = body.ev(body, env);
    } catch (thrown) {
      throw traced(thrown, code, pos);
    }
    callDepth--;
    return result;
  }
  if (fn instanceof Builtin) {
    if (fn.arity !== 1) return new PartialApplication(fn, [arg]);
    return callBuiltin1(fn, arg, pos);
  }
  if (fn instanceof PartialApplication) return callN(fn.fn, [...fn.args, arg], pos);
  return callFunctor(fn, [arg], pos);
}

/** `fn a b`. */
export function call2(fn: Value, a: Lazy, b: Lazy, pos: number): Value {
  if (fn instanceof Closure) {
    const code = fn.code;
    if (code.arity === 2) {
      if (callDepth++ > callDepthMax) tooDeep(pos);
      if (--callsUntilPoll < 0) poll();
      let result: Value;
      try {
        const body = code.body;
        result = body.ev(body, [fn.env, a, b]);
      } catch (thrown) {
        throw traced(thrown, code, pos);
      }
      callDepth--;
      return result;
    }
    if (code.arity === 1) return call1(call1(fn, a, pos), b, pos);
    return new PartialApplication(fn, [a, b]);
  }
  if (fn instanceof Builtin && fn.arity === 2) {
    if (callDepth++ > callDepthMax) tooDeep(pos);
    let result: Value;
    try {
      result = fn.fn(a, b);
    } catch (thrown) {
      throw tracedBuiltin(thrown, fn, pos);
    }
    callDepth--;
    return result;
  }
  return callN(fn, [a, b], pos);
}

function callBuiltin1(fn: Builtin, arg: Lazy, pos: number): Value {
  if (callDepth++ > callDepthMax) tooDeep(pos);
  let result: Value;
  try {
    result = fn.fn(arg);
  } catch (thrown) {
    throw tracedBuiltin(thrown, fn, pos);
  }
  callDepth--;
  return result;
}

/** `fn args…`, at least one argument. */
export function callN(fn: Value, args: readonly Lazy[], pos: number): Value {
  let at = 0;
  let value = fn;
  while (at < args.length) {
    const left = args.length - at;
    if (value instanceof Closure || value instanceof Builtin) {
      const arity: number = value instanceof Closure ? value.code.arity : value.arity;
      if (left < arity) return new PartialApplication(value, at === 0 ? args : args.slice(at));
      value = callExactly(value, arity, args, at, pos);
      at += arity;
    } else if (value instanceof PartialApplication) {
      return callN(value.fn, [...value.args, ...args.slice(at)], pos);
    } else return callFunctor(value, args.slice(at), pos);
  }
  return value;
}

function callExactly(fn: Closure | Builtin, arity: number, args: readonly Lazy[], at: number, pos: number): Value {
  if (arity === 1) return call1(fn, args[at], pos);
  if (arity === 2) return call2(fn, args[at], args[at + 1], pos);
  if (callDepth++ > callDepthMax) tooDeep(pos);
  if (--callsUntilPoll < 0) poll();
  let result: Value;
  try {
    if (fn instanceof Builtin) result = fn.fn(...args.slice(at, at + arity));
    else {
      const body = fn.code.body;
      const env: Env = [fn.env];
      for (let i = 0; i < arity; i++) env.push(args[at + i]);
      result = body.ev(body, env);
    }
  } catch (thrown) {
    throw fn instanceof Builtin ? tracedBuiltin(thrown, fn, pos) : traced(thrown, fn.code, pos);
  }
  callDepth--;
  return result;
}

/** Sets with `__functor` are called with themselves first. */
function callFunctor(value: Value, args: readonly Lazy[], pos: number): Value {
  if (value instanceof Attrs) {
    const functor = value.get("__functor");
    if (functor !== undefined) {
      if (callDepth++ > callDepthMax) tooDeep(pos);
      let result: Value;
      try {
        result = callN(force(functor), [value, args[0]], value.positionOf("__functor"));
      } catch (thrown) {
        throw framed(thrown, "while calling a functor (an attribute set with a '__functor' attribute)", pos);
      }
      callDepth--;
      return args.length === 1 ? result : callN(result, args.slice(1), pos);
    }
  }
  throw typeError("attempt to call something which is not a function but", value, pos);
}

/** The frame of a function with formals: `[outer, (argument), formal…]`. */
function formalsFrame(code: LambdaCode, outer: Env, arg: Lazy, pos: number): Env {
  const args = argumentSet(code, arg, pos);
  args.flat();
  const formals = code.formals as NonNullable<LambdaCode["formals"]>;
  const shape = args.shape;
  const values = args.values;
  const plan = code.lastShape === shape ? (code.lastPlan as Int32Array) : code.planFor(shape);
  const env: Env = code.named ? [outer, args] : [outer];
  const first = env.length;
  let matched = 0;
  for (let i = 0; i < formals.length; i++) {
    const at = plan[i];
    if (at >= 0) {
      matched++;
      env.push(values[at]);
    } else env.push(undefined);
  }
  if (matched < formals.length) {
    for (let i = 0; i < formals.length; i++) {
      if (plan[i] >= 0) continue;
      const fallback = formals[i].fallback;
      if (fallback === null) {
        const message = `function '${code.name || "anonymous lambda"}' called without required argument '${formals[i].name}'`;
        throw new EvalError("missing-argument", message, code.pos).within("from call site", pos);
      }
      env[first + i] = fallback.th(fallback, env);
    }
  }
  if (!code.ellipsis && matched !== values.length) {
    const name = unexpectedArgument(code, args);
    const message = `function '${code.name || "anonymous lambda"}' called with unexpected argument '${name}'`;
    const error = new EvalError("unexpected-argument", message, code.pos).within("from call site", pos);
    error.suggestion = closestNames(
      name as string,
      formals.map((formal) => formal.name),
    );
    throw error;
  }
  return env;
}

function argumentSet(code: LambdaCode, arg: Lazy, pos: number): Attrs {
  try {
    const args = arg instanceof Thunk ? forceThunk(arg, code.pos) : arg;
    if (args instanceof Attrs) return args;
    throw typeError("expected a set but found", args).within(
      "while evaluating the value passed for the lambda argument",
      code.pos,
    );
  } catch (thrown) {
    throw pos === 0 ? thrown : framed(thrown, "from call site", pos);
  }
}

function traced(thrown: unknown, code: LambdaCode, pos: number): unknown {
  if (thrown instanceof EvalError) {
    thrown.addTrace(`while calling ${code.shownName}`, code.bodyPos, "call");
    if (pos !== 0) thrown.addTrace("from call site", pos, "call");
  }
  return thrown;
}

function tracedBuiltin(thrown: unknown, fn: Builtin, pos: number): unknown {
  if (thrown instanceof EvalError) {
    // What this builtin adds is all there is to say.
    if (fn.name !== "addErrorContext") thrown.addTrace(`while calling the '${fn.name}' builtin`, pos);
  }
  return thrown;
}
