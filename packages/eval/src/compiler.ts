/*
From a tree to instructions: scopes are resolved, static checks made, the specialised operation picked. One pass, one instruction per
node; nested one-argument functions become one function of several arguments, application spines one call.

Operators that the language lets a program redefine (`a - b` is `__sub a b`) are calls only where such a name is in a static scope.
*/

import type {
  AttrName,
  AttrsExpr,
  BinaryExpr,
  Expr,
  InterpolationExpr,
  LambdaExpr,
  SelectExpr,
  VarExpr,
} from "@firn/syntax";
import { Attrs, byteOrder } from "./attrs.ts";
import { EvalError } from "./error.ts";
import type { CodePlace } from "./code-place.ts";
import { Instruction, OPERATIONS, type Operation } from "./instruction.ts";
import { intern } from "./intern.ts";
import { type FormalCode, LambdaCode } from "./lambda.ts";
import * as basic from "./ops-basic.ts";
import * as data from "./ops-data.ts";
import * as sets from "./ops-sets.ts";
import { CUR_POS } from "./ops-position.ts";
import { resolve, Scope } from "./scope.ts";
import { Shape } from "./shape.ts";
import { showExpr } from "./show-expr.ts";
import { NixFloat } from "./value.ts";

/** Compiles a whole source whose outermost frame is described by `scope` (null: only globals). Throws EvalError `undefined-variable`. */
export function compile(tree: Expr, place: CodePlace, scope: Scope | null = null): Instruction {
  return new Compiler(place).expr(tree, scope, "");
}

/** Operators that are calls of a global function unless a scope redefines it. */
const REDEFINABLE: Record<string, { readonly name: string; readonly op: Operation }> = {
  "-": { name: "__sub", op: data.SUB },
  "*": { name: "__mul", op: data.MUL },
  "/": { name: "__div", op: data.DIV },
  "<": { name: "__lessThan", op: data.LESS },
  "<=": { name: "__lessThan", op: data.LESS_EQUAL },
  ">": { name: "__lessThan", op: data.GREATER },
  ">=": { name: "__lessThan", op: data.GREATER_EQUAL },
};

const PLAIN: Record<string, Operation> = {
  "++": data.CONCAT,
  "==": data.EQUAL,
  "!=": data.NOT_EQUAL,
  "&&": basic.AND,
  "||": basic.OR,
  "->": basic.IMPLIES,
  "//": sets.UPDATE,
};

class Compiler {
  readonly #place: CodePlace;
  readonly #base: number;
  readonly #isGlobal: (name: string) => boolean;

  constructor(place: CodePlace) {
    this.#place = place;
    this.#base = place.origin.base;
    this.#isGlobal = (name) => place.globals.has(name);
  }

  /** `name` is what the value will be bound to, for messages about functions. */
  expr(expr: Expr, scope: Scope | null, name: string): Instruction {
    const pos = this.#base + expr.from;
    switch (expr.kind) {
      case "int":
      case "string":
        return new Instruction(basic.CONST, pos, expr.value);
      case "float":
        return new Instruction(basic.CONST, pos, new NixFloat(expr.value));
      case "interpolation":
        return this.#interpolation(expr, scope, pos);
      case "path":
        return this.#linked(new Instruction(data.PATH_LITERAL, pos, expr.text));
      case "search-path": {
        const find = this.#variable("__findFile", scope, pos);
        const path = this.#variable("__nixPath", scope, pos);
        return new Instruction(basic.CALL_2, pos, find, path, new Instruction(basic.CONST, pos, expr.text));
      }
      case "var":
        return this.#variable(expr.name, scope, pos);
      case "cur-pos":
        return new Instruction(CUR_POS, pos);
      case "select":
        return this.#select(expr, scope, pos);
      case "has-attr":
        return new Instruction(sets.HAS_ATTR, pos, this.expr(expr.subject, scope, ""), this.#path(expr.path, scope));
      case "attrs":
        return expr.recursive ? this.#recursive(expr, scope, pos) : this.#attrs(expr, scope, pos);
      case "list":
        if (expr.items.length === 0) return new Instruction(basic.CONST, pos, []);
        return new Instruction(
          data.LIST,
          pos,
          expr.items.map((item) => this.expr(item, scope, "")),
        );
      case "lambda":
        return this.#lambda(expr, scope, pos, name);
      case "apply":
        return this.#call(
          this.expr(expr.callee, scope, ""),
          expr.args.map((arg) => this.expr(arg, scope, "")),
          pos,
        );
      case "let": {
        const { codes, inner } = this.#frame(expr.attrs, scope);
        return new Instruction(basic.LET, pos, codes, this.expr(expr.body, inner, ""));
      }
      case "with": {
        const namespace = this.expr(expr.namespace, scope, "");
        return new Instruction(basic.WITH, pos, namespace, this.expr(expr.body, new Scope(scope, null, expr.from), ""));
      }
      case "if":
        return new Instruction(
          basic.IF,
          pos,
          this.expr(expr.condition, scope, ""),
          this.expr(expr.consequent, scope, ""),
          this.expr(expr.alternative, scope, ""),
        );
      case "assert": {
        const condition = this.expr(expr.condition, scope, "");
        return new Instruction(basic.ASSERT, pos, condition, this.expr(expr.body, scope, ""), showExpr(expr.condition));
      }
      case "not":
        return new Instruction(basic.NOT, pos, this.expr(expr.operand, scope, ""));
      case "negate": {
        const zero = new Instruction(basic.CONST, pos, 0);
        return this.#operator("-", zero, this.expr(expr.operand, scope, ""), scope, pos);
      }
      case "binary":
        return this.#binary(expr, scope);
      case "error":
        throw new EvalError("syntax", "syntax error", pos);
    }
  }

  #binary(expr: BinaryExpr, scope: Scope | null): Instruction {
    const pos = this.#base + expr.pos;
    const left = this.expr(expr.left, scope, "");
    const right = this.expr(expr.right, scope, "");
    if (expr.op === "|>") return this.#call(right, [left], pos);
    if (expr.op === "<|") return this.#call(left, [right], pos);
    if (expr.op === "+") {
      const add = new Instruction(data.ADD, pos, left, right, expr.pos - expr.from);
      add.d = expr.rightFrom - expr.pos;
      return add;
    }
    return this.#operator(expr.op, left, right, scope, pos);
  }

  #operator(op: string, left: Instruction, right: Instruction, scope: Scope | null, pos: number): Instruction {
    const redefinable = REDEFINABLE[op];
    if (redefinable === undefined) return new Instruction(PLAIN[op], pos, left, right);
    if (resolve(redefinable.name, scope, this.#isGlobal).kind === "global")
      return new Instruction(redefinable.op, pos, left, right);
    const fn = this.#variable(redefinable.name, scope, pos);
    // `a <= b` is `!(b < a)`, `a > b` is `b < a`, `a >= b` is `!(a < b)`.
    const swapped = op === ">" || op === "<=";
    const call = swapped ? this.#call(fn, [right, left], pos) : this.#call(fn, [left, right], pos);
    return op === "<=" || op === ">=" ? new Instruction(basic.NOT, pos, call) : call;
  }

  #call(fn: Instruction, args: Instruction[], pos: number): Instruction {
    if (args.length === 1) return new Instruction(basic.CALL_1, pos, fn, args[0]);
    if (args.length === 2) return new Instruction(basic.CALL_2, pos, fn, args[0], args[1]);
    return new Instruction(basic.CALL_N, pos, fn, args);
  }

  #variable(name: string, scope: Scope | null, pos: number, skipped = 0): Instruction {
    const found = resolve(name, scope, this.#isGlobal, skipped);
    switch (found.kind) {
      case "slot":
        if (found.depth === 0) return new Instruction(basic.VAR_0, pos, found.slot);
        if (found.depth === 1) return new Instruction(basic.VAR_1, pos, found.slot);
        if (found.depth === 2) return new Instruction(basic.VAR_2, pos, found.slot);
        return new Instruction(basic.VAR_N, pos, found.slot, found.depth);
      case "with":
        return new Instruction(
          basic.WITH_VAR,
          pos,
          intern(name),
          found.depths,
          found.positions.map((from) => pos - this.#base - from),
        );
      case "global":
        return this.#linked(new Instruction(basic.GLOBAL, pos, intern(name)));
      case "unknown":
        throw new EvalError("undefined-variable", `undefined variable '${name}'`, pos);
    }
  }

  #select(expr: SelectExpr, scope: Scope | null, pos: number): Instruction {
    const code = this.expr(expr.subject, scope, "");
    const steps = this.#path(expr.path, scope);
    // What a frame calls the path, unless the names of its dynamic steps can be told.
    const source = expr.path.map((step) => step.name ?? `"\${${showExpr(step.expr as Expr)}}"`).join(".");
    if (expr.fallback !== undefined) {
      const select = new Instruction(sets.SELECT_OR, pos, code, steps, this.expr(expr.fallback, scope, ""));
      select.d = source;
      return select;
    }
    if (steps.every((step) => typeof step === "string"))
      return steps.reduce((inner, step) => new Instruction(sets.SELECT, pos, inner, step, intern(source)), code);
    return new Instruction(sets.SELECT_PATH, pos, code, steps, source);
  }

  #path(path: readonly AttrName[], scope: Scope | null): sets.PathStep[] {
    return path.map((step) => (step.name === undefined ? this.expr(step.expr, scope, "") : intern(step.name)));
  }

  // Functions

  #lambda(expr: LambdaExpr, scope: Scope | null, pos: number, name: string): Instruction {
    if (expr.formals === undefined) return this.#simpleLambda(expr, scope, pos, name);
    const slots = new Map<string, number>();
    if (expr.arg !== undefined) slots.set(expr.arg, 1);
    for (const formal of expr.formals.formals) slots.set(formal.name, slots.size + 1);
    const inner = new Scope(scope, slots);
    const formals: FormalCode[] = expr.formals.formals.map((formal) => ({
      name: intern(formal.name),
      fallback: formal.fallback === undefined ? null : this.expr(formal.fallback, inner, ""),
      pos: this.#base + formal.pos,
    }));
    const body = this.expr(expr.body, inner, expr.body.kind === "lambda" ? name : "");
    const named = expr.arg !== undefined;
    const argNames = expr.arg === undefined ? [] : [expr.arg];
    const code = new LambdaCode({
      arity: 1,
      formals,
      ellipsis: expr.formals.ellipsis,
      named,
      body,
      pos,
      innerPositions: [],
      name,
      argNames,
    });
    return new Instruction(basic.LAMBDA, pos, code);
  }

  /** `x: y: z: body` as one function, as long as no argument hides an earlier one. */
  #simpleLambda(expr: LambdaExpr, scope: Scope | null, pos: number, name: string): Instruction {
    const slots = new Map<string, number>();
    const positions: number[] = [];
    let body: Expr = expr;
    while (body.kind === "lambda" && body.formals === undefined && body.arg !== undefined && !slots.has(body.arg)) {
      slots.set(body.arg, slots.size + 1);
      positions.push(this.#base + body.from);
      body = body.body;
    }
    // What a function yields at once is called as it is.
    const inner = this.expr(body, new Scope(scope, slots), body.kind === "lambda" ? name : "");
    const code = new LambdaCode({
      arity: slots.size,
      formals: null,
      ellipsis: false,
      named: false,
      body: inner,
      pos,
      innerPositions: positions.slice(1),
      name,
      argNames: [...slots.keys()],
    });
    return new Instruction(basic.LAMBDA, pos, code);
  }

  // Sets

  /** The codes of a frame of mutually visible names, in byte order, then of the inherit sources. */
  #frame(set: AttrsExpr, scope: Scope | null): { names: string[]; codes: Instruction[]; inner: Scope } {
    const names = [...set.attrs.keys()].sort(byteOrder);
    const slots = new Map<string, number>();
    for (const name of names) slots.set(name, slots.size + 1);
    const inner = new Scope(scope, slots);
    const codes = names.map((name) => {
      const def = set.attrs.get(name) as NonNullable<ReturnType<typeof set.attrs.get>>;
      const pos = this.#base + def.pos;
      switch (def.kind) {
        case "value":
          return this.expr(def.value, inner, name);
        case "inherit":
          return this.#variable(def.value.name, scope, pos, 1);
        case "inherit-from": {
          const source = new Instruction(basic.VAR_0, pos, names.length + 1 + def.source);
          return new Instruction(sets.SELECT, pos, source, intern(name), intern(name));
        }
      }
    });
    for (const source of set.sources) codes.push(this.expr(source, inner, ""));
    return { names, codes, inner };
  }

  #shape(names: readonly string[], set: AttrsExpr): Shape {
    const positions = names.map((name) => this.#base + (set.attrs.get(name)?.pos ?? 0));
    return new Shape(names.map(intern), positions);
  }

  #recursive(set: AttrsExpr, scope: Scope | null, pos: number): Instruction {
    const { names, codes, inner } = this.#frame(set, scope);
    const dynamicNames = set.dynamic.map((dynamic) => this.expr(dynamic.name, inner, ""));
    const rec = new Instruction(sets.REC, pos, this.#shape(names, set), codes, dynamicNames);
    rec.d = set.dynamic.map((dynamic) => this.expr(dynamic.value, inner, ""));
    rec.e = dynamicStarts(set);
    return rec;
  }

  #attrs(set: AttrsExpr, scope: Scope | null, pos: number): Instruction {
    // A source that is a variable is as good as its own slot; others get a frame, to be evaluated once.
    const simple = set.sources.every((source) => source.kind === "var");
    const inner = simple ? scope : new Scope(scope, new Map());
    const names = [...set.attrs.keys()].sort(byteOrder);
    if (names.length === 0 && set.dynamic.length === 0) return new Instruction(basic.CONST, pos, Attrs.EMPTY);
    const codes = names.map((name) => {
      const def = set.attrs.get(name) as NonNullable<ReturnType<typeof set.attrs.get>>;
      const defPos = this.#base + def.pos;
      switch (def.kind) {
        case "value":
          return this.expr(def.value, inner, name);
        case "inherit":
          return this.#variable(def.value.name, inner, defPos);
        case "inherit-from": {
          const source = simple
            ? this.#variable((set.sources[def.source] as VarExpr).name, inner, defPos)
            : new Instruction(basic.VAR_0, defPos, def.source + 1);
          return new Instruction(sets.SELECT, defPos, source, intern(name), intern(name));
        }
      }
    });
    let code = new Instruction(sets.ATTRS, pos, this.#shape(names, set), codes);
    if (set.dynamic.length > 0) {
      const dynamicNames = set.dynamic.map((dynamic) => this.expr(dynamic.name, inner, ""));
      const values = set.dynamic.map((dynamic) => this.expr(dynamic.value, inner, ""));
      code = new Instruction(sets.ATTRS_DYNAMIC, pos, code, dynamicNames, values);
      code.d = dynamicStarts(set);
    }
    if (simple) return code;
    return new Instruction(
      sets.SOURCES,
      pos,
      set.sources.map((source) => this.expr(source, scope, "")),
      code,
    );
  }

  // Strings and paths

  #interpolation(expr: InterpolationExpr, scope: Scope | null, pos: number): Instruction {
    const starts = expr.starts.map((start) => start - expr.from);
    if (!expr.path) {
      const codes = expr.parts.map((part) => this.expr(part, scope, ""));
      return new Instruction(data.INTERPOLATE, pos, codes, starts);
    }
    const [first, ...rest] = expr.parts;
    if (first.kind !== "path") throw new EvalError("syntax", "a path starts with a literal", pos);
    const codes = rest.map((part) => this.expr(part, scope, ""));
    const path = new Instruction(data.PATH, pos, first.text, codes);
    path.d = starts.slice(1);
    return this.#linked(path);
  }

  #linked(i: Instruction): Instruction {
    OPERATIONS[i.op].link?.(i, this.#place);
    return i;
  }
}

/** Where each dynamic definition of a set begins, from where the set does; parts that were merged into it come later. */
function dynamicStarts(set: AttrsExpr): number[] {
  return set.dynamic.map((dynamic) => Math.max(0, dynamic.pos - set.from));
}
