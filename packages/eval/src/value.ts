/*
Values of the language, as the machine holds them:

| Nix | here |
| --- | --- |
| integer | number while a safe integer, else bigint (never the other one, so `===` compares) |
| float | NixFloat |
| boolean, null | boolean, null |
| string | JS string of one-byte chars; StringWithContext when it has a context |
| path | PathValue: a source tree and an absolute path inside it |
| list | array of lazy values |
| set | Attrs |
| function | Closure, Builtin, PartialApplication |

A *lazy* value may also be a Thunk. Values are immutable once made, apart from thunks being filled in.
*/

import type { ByteString } from "@firn/base";
import type { Attrs } from "./attrs.ts";
import type { StringContext } from "./context.ts";
import type { Instruction } from "./instruction.ts";
import type { LambdaCode } from "./lambda.ts";

export type Value =
  | number
  | bigint
  | boolean
  | null
  | string
  | NixFloat
  | StringWithContext
  | PathValue
  | Lazy[]
  | Attrs
  | Closure
  | Builtin
  | PartialApplication;

export type Lazy = Value | Thunk;

/** A frame of variables: the frame outside it, then the values by slot; `undefined` while a recursive frame is being filled. */
// biome-ignore lint/suspicious/noExplicitAny: slot 0 is a frame and the others are lazy values; a tuple type would need a cast at every read of the hottest code.
export type Env = any[];

/** A 64-bit float; a class of its own so that `1.0` and `1` stay apart. */
export class NixFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A string that refers to store objects. */
export class StringWithContext {
  readonly text: ByteString;
  readonly context: StringContext;
  constructor(text: ByteString, context: StringContext) {
    this.text = text;
    this.context = context;
  }
}

/**
 * Where sources come from: the host's file system, a store path, an archive. The evaluator only tells trees apart; what is in them it
 * asks of EvalIo (io.ts).
 */
export interface SourceTree {
  /** Names the tree in messages; empty for the host's file system, whose paths stand for themselves. */
  readonly label: string;
}

/** A path: absolute and canonical (no empty, `.` or `..` part, no trailing slash but in `/`) inside its tree. */
export class PathValue {
  readonly tree: SourceTree;
  readonly path: ByteString;
  constructor(tree: SourceTree, path: ByteString) {
    this.tree = tree;
    this.path = path;
  }
}

/** Something to be computed at most once. `code` null: done, `env` is the value. An error leaves it as it was. */
export class Thunk {
  code: Instruction | null;
  // biome-ignore lint/suspicious/noExplicitAny: a frame before, a value after; see Env.
  env: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  constructor(code: Instruction | null, env: any) {
    this.code = code;
    this.env = env;
  }
}

export class Closure {
  readonly code: LambdaCode;
  readonly env: Env;
  constructor(code: LambdaCode, env: Env) {
    this.code = code;
    this.env = env;
  }
}

/** What a builtin is called with: as many lazy values as its arity. */
// biome-ignore lint/suspicious/noExplicitAny: a union of function types by arity would have to be narrowed at each call.
export type BuiltinFunction = (...args: any[]) => Value;

export class Builtin {
  /** As it stands in `builtins`. */
  readonly name: string;
  /** 1 to 3; a constant is not a Builtin. */
  readonly arity: number;
  readonly fn: BuiltinFunction;
  constructor(name: string, arity: number, fn: BuiltinFunction) {
    this.name = name;
    this.arity = arity;
    this.fn = fn;
  }
}

/** A function of several arguments that got too few. */
export class PartialApplication {
  readonly fn: Closure | Builtin;
  readonly args: readonly Lazy[];
  constructor(fn: Closure | Builtin, args: readonly Lazy[]) {
    this.fn = fn;
    this.args = args;
  }
}
