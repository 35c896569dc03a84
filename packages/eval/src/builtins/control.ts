/*
Builtins about evaluation itself: errors, strictness, traces.
*/

import { Attrs } from "../attrs.ts";
import { coerceToString, forceText, textOfString } from "../coerce.ts";
import { EvalError, framed } from "../error.ts";
import { intern } from "../intern.ts";
import { deepen, force, restoreDepth, savedDepth } from "../machine.ts";
import { currentIo, currentLanguage } from "../world.ts";
import { showValue, UNLIMITED } from "../show-value.ts";
import { Shape } from "../shape.ts";
import { type Lazy, StringWithContext, type Value } from "../value.ts";
import { type BuiltinDefinition, builtin, globalBuiltin } from "./definition.ts";

const TRY_RESULT = new Shape(["success", "value"].map(intern), null);

function tryEval(value: Lazy): Attrs {
  const depth = savedDepth();
  try {
    return new Attrs(TRY_RESULT, [true, force(value)]);
  } catch (thrown) {
    if (!(thrown instanceof EvalError) || !thrown.catchable) throw thrown;
    restoreDepth(depth);
    return new Attrs(TRY_RESULT, [false, false]);
  }
}

/** Forces everything inside; each set and list once, so that cycles end. */
export function deepForce(value: Lazy, seen = new Set<object>()): Value {
  const depth = savedDepth();
  deepen();
  const forced = force(value);
  if (Array.isArray(forced)) {
    if (!seen.has(forced)) {
      seen.add(forced);
      for (let i = 0; i < forced.length; i++) {
        try {
          deepForce(forced[i], seen);
        } catch (thrown) {
          throw framed(thrown, `while evaluating list element at index ${i}`);
        }
      }
    }
  } else if (forced instanceof Attrs && !seen.has(forced)) {
    seen.add(forced);
    const { shape, values } = forced.flat();
    for (let i = 0; i < values.length; i++) {
      try {
        deepForce(values[i], seen);
      } catch (thrown) {
        throw framed(thrown, `while evaluating the attribute '${shape.names[i]}'`, forced.positionOf(shape.names[i]));
      }
    }
  }
  restoreDepth(depth);
  return forced;
}

function trace(message: Lazy, value: Lazy): Value {
  const forced = force(message);
  const text =
    typeof forced === "string" || forced instanceof StringWithContext
      ? textOfString(forced)
      : showValue(forced, UNLIMITED);
  currentIo().log("trace", text);
  return force(value);
}

function messageOf(value: Lazy, during: string, copies = true): string {
  return textOfString(coerceToString(force(value), "natural", copies ? "copy" : "text", during));
}

export const CONTROL_BUILTINS: readonly BuiltinDefinition[] = [
  globalBuiltin("throw", (message: Lazy) => {
    throw new EvalError("throw", messageOf(message, "while evaluating the error message passed to builtin.throw"));
  }),
  globalBuiltin("abort", (message: Lazy) => {
    const text = messageOf(message, "while evaluating the error message passed to builtins.abort");
    throw new EvalError("abort", `evaluation aborted with the following error message: '${text}'`);
  }),
  builtin("tryEval", (value: Lazy) => tryEval(value)),
  builtin("seq", (first: Lazy, second: Lazy) => {
    force(first);
    return force(second);
  }),
  builtin("deepSeq", (first: Lazy, second: Lazy) => {
    deepForce(first);
    return force(second);
  }),
  builtin("trace", (message: Lazy, value: Lazy) => trace(message, value)),
  builtin("traceVerbose", (message: Lazy, value: Lazy) =>
    currentLanguage().traceVerbose === true ? trace(message, value) : force(value),
  ),
  globalBuiltin("break", (value: Lazy) => force(value)),
  builtin("warn", (message: Lazy, value: Lazy) => {
    currentIo().log(
      "evaluation-warning",
      forceText(message, "while evaluating the first argument; the message passed to builtins.warn"),
    );
    if (currentLanguage().abortOnWarn === true)
      throw new EvalError("abort", "aborting to reveal stack trace of warning, as abort-on-warn is set");
    return force(value);
  }),
  builtin("addErrorContext", (message: Lazy, value: Lazy) => {
    try {
      return force(value);
    } catch (thrown) {
      if (thrown instanceof EvalError)
        thrown.addTrace(
          messageOf(message, "while evaluating the error message passed to builtins.addErrorContext", false),
          0,
          "note",
        );
      throw thrown;
    }
  }),
];
