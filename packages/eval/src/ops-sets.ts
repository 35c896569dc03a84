/*
Operations on attribute sets. Selecting remembers at each place the shape met last and the index there.
*/

import { Attrs, byteOrder, update } from "./attrs.ts";
import { textOfString } from "./coerce.ts";
import { EvalError } from "./error.ts";
import { defineOperation, type Instruction, suspend } from "./instruction.ts";
import { intern } from "./intern.ts";
import { force, forceThunk } from "./machine.ts";
import { letFrame } from "./ops-basic.ts";
import { Shape } from "./shape.ts";
import { closestNames } from "./suggestion.ts";
import { describeType, typeError } from "./type-name.ts";
import { type Env, type Lazy, StringWithContext, Thunk, type Value } from "./value.ts";

/** One step of an attribute path: a name, or code that gives one. */
export type PathStep = string | Instruction;

export function missingAttribute(name: string, attrs: Attrs, pos: number): EvalError {
  const error = new EvalError("missing-attribute", `attribute '${name}' missing`, pos);
  const suggestion = closestNames(name, attrs.names);
  return suggestion === "" ? error : withSuggestion(error, suggestion);
}

function withSuggestion(error: EvalError, suggestion: string): EvalError {
  error.message += `\n${suggestion}`;
  return error;
}

/** The attribute `i.b` of a set, unforced, by way of the place's cache (d: shape, e: index); undefined when it has none. */
function lookUp(i: Instruction, attrs: Attrs): Lazy | undefined {
  if (attrs.shape === i.d) return attrs.values[i.e];
  const at = attrs.shape.indexOf(i.b);
  if (at >= 0) {
    i.d = attrs.shape;
    i.e = at;
    return attrs.values[at];
  }
  return attrs.base === null ? undefined : attrs.base.get(i.b);
}

export const SELECT = defineOperation(
  "select",
  [
    ["code", "subject"],
    ["name", "name"],
    ["cache", ""],
    ["cache", "shape"],
    ["cache", "index"],
  ],
  "`subject.name`.",
  (i, env) => {
    const subject: Value = i.a.ev(i.a, env);
    if (!(subject instanceof Attrs)) throw typeError("expected a set but found", subject, i.pos);
    const value = lookUp(i, subject);
    if (value === undefined) throw missingAttribute(i.b, subject, i.pos);
    if (value instanceof Thunk) {
      if (value.code === null) return value.env;
      try {
        return forceThunk(value);
      } catch (thrown) {
        if (thrown instanceof EvalError)
          thrown.addTrace(`while evaluating the attribute '${i.b}'`, subject.positionOf(i.b));
        throw thrown;
      }
    }
    return value;
  },
  // Nothing can go wrong, nor be seen to happen, when the set is there already: then no thunk is needed.
  (i, env) => {
    const subject = i.a.th(i.a, env);
    const set = subject instanceof Thunk ? (subject.code === null ? subject.env : undefined) : subject;
    if (set instanceof Attrs) {
      const value = lookUp(i, set);
      if (value !== undefined) return value;
    }
    return new Thunk(i, env);
  },
);

/** The name a path step stands for; undefined when it is null, which only bindings allow. */
function stepName(step: PathStep, env: Env): string {
  if (typeof step === "string") return step;
  const value = step.ev(step, env);
  if (typeof value === "string" || value instanceof StringWithContext) return textOfString(value);
  throw typeError("expected a string but found", value, step.pos);
}

/** Walks a path; undefined where it ends early. */
function walk(subject: Value, steps: readonly PathStep[], env: Env): Lazy | undefined {
  let value: Lazy = subject;
  for (let n = 0; n < steps.length; n++) {
    const set = force(value);
    if (!(set instanceof Attrs)) return undefined;
    const next = set.get(stepName(steps[n], env));
    if (next === undefined) return undefined;
    value = next;
  }
  return value;
}

export const SELECT_PATH = defineOperation(
  "select-path",
  [
    ["code", "subject"],
    ["path", "path"],
  ],
  "`subject.a.${b}.c`.",
  (i, env) => {
    let value: Value = i.a.ev(i.a, env);
    const steps: PathStep[] = i.b;
    for (let n = 0; n < steps.length; n++) {
      const name = stepName(steps[n], env);
      if (!(value instanceof Attrs)) throw typeError("expected a set but found", value, i.pos);
      const next = value.get(name);
      if (next === undefined) throw missingAttribute(name, value, i.pos);
      value = force(next);
    }
    return value;
  },
);

export const SELECT_OR = defineOperation(
  "select-or",
  [
    ["code", "subject"],
    ["path", "path"],
    ["code", "fallback"],
  ],
  "`subject.path or fallback`; the fallback also stands in where a step of the path is not a set.",
  (i, env) => {
    const value = walk(i.a.ev(i.a, env), i.b, env);
    return value === undefined ? i.c.ev(i.c, env) : force(value);
  },
);

export const HAS_ATTR = defineOperation(
  "has-attr",
  [
    ["code", "subject"],
    ["path", "path"],
  ],
  "`subject ? path`.",
  (i, env) => walk(i.a.ev(i.a, env), i.b, env) !== undefined,
);

export const UPDATE = defineOperation(
  "update",
  [
    ["code", "left"],
    ["code", "right"],
  ],
  "`left // right`.",
  (i, env) => {
    const left: Value = i.a.ev(i.a, env);
    if (!(left instanceof Attrs)) throw typeError("expected a set but found", left, i.pos);
    const right: Value = i.b.ev(i.b, env);
    if (!(right instanceof Attrs)) throw typeError("expected a set but found", right, i.pos);
    return update(left, right);
  },
);

function literal(i: Instruction, env: Env): Attrs {
  const codes: Instruction[] = i.b;
  const values: Lazy[] = [];
  for (let n = 0; n < codes.length; n++) values.push(codes[n].th(codes[n], env));
  return new Attrs(i.a, values);
}

export const ATTRS = defineOperation(
  "attrs",
  [
    ["shape", "shape"],
    ["codes", "values"],
  ],
  "A set literal; values are in the shape's order.",
  literal,
  (i, env) => (i.b.length <= 2 ? literal(i, env) : suspend(i, env)),
);

export const ATTRS_DYNAMIC = defineOperation(
  "attrs-dynamic",
  [
    ["code", "static"],
    ["codes", "names"],
    ["codes", "values"],
  ],
  "A set literal with `${name} = value`: adds those whose name is not null to the static part.",
  (i, env) => addDynamic(i.a.ev(i.a, env), i.b, i.c, env),
);

function addDynamic(statics: Attrs, names: readonly Instruction[], values: readonly Instruction[], env: Env): Attrs {
  if (names.length === 0) return statics;
  const added = new Map<string, { value: Lazy; pos: number }>();
  for (let n = 0; n < names.length; n++) {
    const code = names[n];
    const value = code.ev(code, env);
    if (value === null) continue;
    if (typeof value !== "string") {
      if (value instanceof StringWithContext) {
        throw new EvalError(
          "type",
          `the string '${value.text}' is not allowed to refer to a store path (such as '${value.context.elements[0]}')`,
          code.pos,
        );
      }
      throw new EvalError("type", `expected a string but found ${describeType(value)}`, code.pos);
    }
    if (statics.has(value) || added.has(value)) {
      throw new EvalError("duplicate-attribute", `dynamic attribute '${value}' already defined`, code.pos);
    }
    added.set(value, { value: values[n].th(values[n], env), pos: code.pos });
  }
  if (added.size === 0) return statics;
  const sorted = [...added.keys()].sort(byteOrder);
  const entries = sorted.map((name) => added.get(name) as { value: Lazy; pos: number });
  const shape = new Shape(
    sorted.map(intern),
    entries.map((entry) => entry.pos),
  );
  return update(
    statics,
    new Attrs(
      shape,
      entries.map((entry) => entry.value),
    ),
  );
}

export const REC = defineOperation(
  "rec",
  [
    ["shape", "shape"],
    ["codes", "values"],
    ["codes", "names"],
    ["codes", "dynamic"],
  ],
  "A recursive set: its values are a frame of mutually visible variables (slots behind the shape's are inherit sources), then dynamic ones are added.",
  (i, env) => {
    const shape: Shape = i.a;
    const overrides = shape.indexOf("__overrides") >= 0;
    const frame = overrides ? thunkFrame(i.b, env) : letFrame(i.b, env);
    const statics = new Attrs(shape, frame.slice(1, shape.names.length + 1));
    return addDynamic(overrides ? override(statics, frame) : statics, i.c, i.d, frame);
  },
);

/** A frame whose slots are all unevaluated, because a value that only copies a variable must not see it before it is overridden. */
function thunkFrame(codes: readonly Instruction[], env: Env): Env {
  const frame: Env = [env];
  for (const code of codes) frame.push(new Thunk(code, frame));
  return frame;
}

/** The old `__overrides`: what it names replaces variables and values alike. Must come before any of them is looked at. */
function override(statics: Attrs, frame: Env): Attrs {
  const overrides = force(statics.get("__overrides") as Lazy);
  if (!(overrides instanceof Attrs)) throw typeError("expected a set but found", overrides);
  overrides.flat();
  overrides.shape.names.forEach((name, n) => {
    const at = statics.shape.indexOf(name);
    if (at >= 0) frame[at + 1] = overrides.values[n];
  });
  return update(statics, overrides);
}

export const SOURCES = defineOperation(
  "sources",
  [
    ["codes", "sources"],
    ["code", "body"],
  ],
  "Runs body in a frame of the sources of `inherit (source) …`, which are not visible to each other.",
  (i, env) => {
    const codes: Instruction[] = i.a;
    const frame: Env = [env];
    for (let n = 0; n < codes.length; n++) frame.push(codes[n].th(codes[n], env));
    return i.b.ev(i.b, frame);
  },
);
