/*
Operations on attribute sets. Selecting remembers at each place the shape met last and the index there.
*/

import { closestNames } from "@firn/base";
import { Attrs, byteOrder, update } from "./attrs.ts";
import { forceTextWithoutContext } from "./coerce.ts";
import { EvalError, framed } from "./error.ts";
import { defineOperation, type Instruction, OPERATIONS, suspend } from "./instruction.ts";
import { intern } from "./intern.ts";
import { force, forceThunk } from "./machine.ts";
import { currentPositions } from "./world.ts";
import { framePos, letFrame } from "./ops-basic.ts";
import { Shape } from "./shape.ts";
import { typeError } from "./type-name.ts";
import { type Env, type Lazy, Thunk, type Value } from "./value.ts";

/** One step of an attribute path: a name, or code that gives one. */
export type PathStep = string | Instruction;

export function missingAttribute(name: string, attrs: Attrs, pos: number): EvalError {
  const error = new EvalError("missing-attribute", `attribute '${name}' missing`, pos);
  error.suggestion = closestNames(name, attrs.names);
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
    ["name", "path"],
    ["cache", "shape"],
    ["cache", "index"],
  ],
  "`subject.name`.",
  (i, env) => {
    const subject: Value = i.a.ev(i.a, env);
    if (!(subject instanceof Attrs)) throw notSelectable(i, subject, env);
    const value = lookUp(i, subject);
    if (value === undefined) throw notSelectable(i, subject, env);
    if (value instanceof Thunk) {
      if (value.code === null) return value.env;
      try {
        return forceThunk(value, subject.positionOf(i.b) || i.pos);
      } catch (thrown) {
        throw whileSelecting(thrown, i, subject.positionOf(i.b));
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

/** The error of selecting from something that is no set, or has no such attribute. */
function notSelectable(i: Instruction, subject: Value, env: Env): unknown {
  const error =
    subject instanceof Attrs
      ? missingAttribute(i.b, subject, i.pos)
      : typeError("expected a set but found", subject).within("while selecting an attribute", i.pos);
  return whileSelecting(error, i, positionBefore(i, env));
}

/** One frame for a whole path `a.b.c`, wherever along it something went wrong. */
function whileSelecting(thrown: unknown, i: Instruction, pos: number): unknown {
  return pos === 0 ? thrown : framed(thrown, `while evaluating the attribute '${i.c}'`, pos);
}

/** Where the attribute before this step of a path is defined; 0 at its first step, or where asking again would compute again. */
function positionBefore(i: Instruction, env: Env): number {
  const before: Instruction = i.a;
  if (before.op !== SELECT.number || before.c !== i.c || before.pos !== i.pos) return 0;
  let root = before;
  while (root.op === SELECT.number) root = root.a;
  if (!OPERATIONS[root.op].name.startsWith("var-")) return 0;
  const set: Value = before.a.ev(before.a, env);
  return set instanceof Attrs ? set.positionOf(before.b) : 0;
}

/** The name a path step stands for; undefined when it is null, which only bindings allow. */
function stepName(step: PathStep, env: Env): string {
  if (typeof step === "string") return step;
  const value = step.ev(step, env);
  if (typeof value === "string") return value;
  return forceTextWithoutContext(value, "while evaluating an attribute name", step.pos);
}

/** Walks a path; undefined where it ends early. */
function walk(subject: Value, steps: readonly PathStep[], env: Env): Lazy | undefined {
  let value: Lazy = subject;
  for (let n = 0; n < steps.length; n++) {
    const set = force(value);
    const name = stepName(steps[n], env);
    if (!(set instanceof Attrs)) return undefined;
    const next = set.get(name);
    if (next === undefined) return undefined;
    value = next;
  }
  return value;
}

/** A path for a frame: names as they are, or their code where even that fails. */
function shownPath(steps: readonly PathStep[], env: Env, source: string): string {
  try {
    return steps.map((step) => stepName(step, env)).join(".");
  } catch {
    return source;
  }
}

export const SELECT_PATH = defineOperation(
  "select-path",
  [
    ["code", "subject"],
    ["path", "path"],
    ["name", "source"],
  ],
  "`subject.a.${b}.c`.",
  (i, env) => {
    let value: Value = i.a.ev(i.a, env);
    const steps: PathStep[] = i.b;
    let pos = 0;
    try {
      for (let n = 0; n < steps.length; n++) {
        const name = stepName(steps[n], env);
        if (!(value instanceof Attrs))
          throw typeError("expected a set but found", value).within("while selecting an attribute", i.pos);
        const next = value.get(name);
        if (next === undefined) throw missingAttribute(name, value, i.pos);
        pos = value.positionOf(name);
        value = force(next);
      }
    } catch (thrown) {
      if (pos !== 0) throw framed(thrown, `while evaluating the attribute '${shownPath(steps, env, i.c)}'`, pos);
      throw thrown;
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
    ["name", "source"],
  ],
  "`subject.path or fallback`; the fallback also stands in where a step of the path is not a set.",
  (i, env) => {
    const subject: Value = i.a.ev(i.a, env);
    try {
      const value = walk(subject, i.b, env);
      return value === undefined ? i.c.ev(i.c, env) : force(value);
    } catch (thrown) {
      const pos = lastPosition(subject, i.b, env);
      if (pos !== 0) throw framed(thrown, `while evaluating the attribute '${shownPath(i.b, env, i.d)}'`, pos);
      throw thrown;
    }
  },
);

/** Where the last attribute along a path that is there is defined, or 0. For frames: nothing new is computed. */
function lastPosition(subject: Value, steps: readonly PathStep[], env: Env): number {
  let value: Lazy = subject;
  let pos = 0;
  for (const step of steps) {
    const set: Lazy = value instanceof Thunk && value.code === null ? value.env : value;
    if (!(set instanceof Attrs)) return pos;
    let name: string;
    try {
      name = stepName(step, env);
    } catch {
      return pos;
    }
    const next = set.get(name);
    if (next === undefined) return pos;
    pos = set.positionOf(name);
    value = next;
  }
  return pos;
}

export const HAS_ATTR = defineOperation(
  "has-attr",
  [
    ["code", "subject"],
    ["path", "path"],
  ],
  "`subject ? path`.",
  (i, env) => walk(i.a.ev(i.a, env), i.b, env) !== undefined,
);

/** A set that `//` needs; of a chain each part is named once. */
function operand(i: Instruction, env: Env, during: string): Attrs {
  if (i.op === UPDATE.number) return i.ev(i, env) as Attrs;
  try {
    const value = i.ev(i, env);
    if (value instanceof Attrs) return value;
    throw typeError("expected a set but found", value);
  } catch (thrown) {
    throw framed(thrown, during, framePos(i));
  }
}

export const UPDATE = defineOperation(
  "update",
  [
    ["code", "left"],
    ["code", "right"],
  ],
  "`left // right`.",
  (i, env) => {
    const right = operand(i.b, env, "in the right operand of the update (//) operator");
    return update(operand(i.a, env, "in the left operand of the update (//) operator"), right);
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
    ["numbers", "bytes to each definition"],
  ],
  "A set literal with `${name} = value`: adds those whose name is not null to the static part.",
  (i, env) => addDynamic(i.a.ev(i.a, env), i.b, i.c, i.d, i.pos, env),
);

function addDynamic(
  statics: Attrs,
  names: readonly Instruction[],
  values: readonly Instruction[],
  starts: readonly number[],
  setPos: number,
  env: Env,
): Attrs {
  if (names.length === 0) return statics;
  const added = new Map<string, { value: Lazy; pos: number }>();
  for (let n = 0; n < names.length; n++) {
    const code = names[n];
    const name = code.ev(code, env);
    if (name === null) continue;
    const pos = setPos + starts[n];
    const value = forceTextWithoutContext(name, "while evaluating the name of a dynamic attribute", pos);
    if (statics.has(value) || added.has(value)) {
      const where = currentPositions().describe(added.get(value)?.pos ?? statics.positionOf(value));
      throw new EvalError("duplicate-attribute", `dynamic attribute '${value}' already defined at ${where}`, pos);
    }
    added.set(value, { value: values[n].th(values[n], env), pos });
  }
  if (added.size === 0) return statics;
  const sorted = [...added.keys()].sort(byteOrder);
  const entries = sorted.map((name) => added.get(name) as { value: Lazy; pos: number });
  const shape = Shape.of(
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
    ["numbers", "bytes to each dynamic definition"],
  ],
  "A recursive set: its values are a frame of mutually visible variables (slots behind the shape's are inherit sources), then dynamic ones are added.",
  (i, env) => {
    const shape: Shape = i.a;
    const overrides = shape.indexOf("__overrides") >= 0;
    const frame = overrides ? thunkFrame(i.b, env) : letFrame(i.b, env);
    const statics = new Attrs(shape, frame.slice(1, shape.names.length + 1));
    return addDynamic(overrides ? override(statics, frame) : statics, i.c, i.d, i.e, i.pos, frame);
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
  if (!(overrides instanceof Attrs))
    throw typeError("expected a set but found", overrides).within("while evaluating the `__overrides` attribute");
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
