/*
The builtins that the reference, 2.8.0, has otherwise, as it has them. A program that differs, and gives what the reference gives once these
stand in place of Firn's own, differs for one of the reasons below and for no other.
*/

import {
  builtin,
  type BuiltinDefinition,
  call1,
  coerceToString,
  EvalError,
  force,
  forceAttrs,
  forceFunction,
  forceInt,
  forceList,
  forceString,
  globalBuiltin,
  lazily,
  type Lazy,
  makeString,
  NixFloat,
  printValue,
  requiredAttr,
  type Value,
  valueToJson,
} from "@firn/eval";

const REASONS: Readonly<Record<string, string>> = {
  map: "2.13: it wants a function even where none of the values is looked at",
  genList: "2.14: it wants a function even where none of the values is looked at",
  filter: "2.13: it gives back an empty list without looking at the function, and looks at the list first",
  sort: "2.13: it gives back an empty list without looking at the function, and looks at the list first",
  genericClosure: "a later release, in no release note: it wants no operator where the startSet is empty",
  replaceStrings: "2.16: it looks at a replacement when it is needed, before it looked at all",
  addErrorContext: "2.25: what overflows is an error, which has a context that is looked at; before it wrapped around",
  toJSON: "2.12: it holds as many digits of a float as bring it back, and keeps it one (1.0); before it held six",
  substring: "a later release, in no release note: it refuses a negative start before it looks at the string",
};

/** Why a program that these make the same differs, as far as its text tells. */
export function olderReason(program: string): string {
  const names = Object.keys(REASONS).filter((name) => program.includes(name));
  return names.map((name) => `${name}: ${REASONS[name]}`).join("; ");
}

function callN(fn: Value, args: readonly Lazy[]): Value {
  return args.reduce<Value>((called, arg) => call1(called, arg, 0), fn);
}

/** Functions that look at their function argument first: Firn's own, after that look. */
function eager(newer: Value) {
  return (fn: Lazy, list: Lazy): Value => callN(newer, [forceFunction(fn), forceList(list)]);
}

const LENGTH_MAX = 1_000_000;

const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g;

/** In place of those of the same name; `newer` gives Firn's own. */
export function olderBuiltins(newer: (name: string) => Value): BuiltinDefinition[] {
  return [
    globalBuiltin("map", (fn: Lazy, list: Lazy) =>
      forceList(list).map((item) => lazily(() => call1(force(fn), item, 0))),
    ),
    builtin("genList", (fn: Lazy, length: Lazy) => {
      const count = Number(forceInt(length));
      // Errors of the length are the same.
      if (count < 0 || count > LENGTH_MAX) return callN(newer("genList"), [fn, length]);
      return Array.from({ length: count }, (_, n) => lazily(() => call1(force(fn), n, 0)));
    }),
    builtin("filter", (fn: Lazy, list: Lazy) => eager(newer("filter"))(fn, list)),
    builtin("sort", (fn: Lazy, list: Lazy) => eager(newer("sort"))(fn, list)),
    builtin("genericClosure", (arg: Lazy) => {
      const args = forceAttrs(arg);
      if (args.has("startSet")) forceFunction(requiredAttr(args, "operator", "genericClosure"));
      return callN(newer("genericClosure"), [args]);
    }),
    builtin("replaceStrings", (from: Lazy, to: Lazy, text: Lazy) => {
      const [patterns, replacements] = [forceList(from), forceList(to)];
      // Lists of two lengths are an error before their items are.
      if (patterns.length === replacements.length) {
        for (const pattern of patterns) forceString(pattern);
        for (const replacement of replacements) forceString(replacement);
      }
      return callN(newer("replaceStrings"), [from, to, text]);
    }),
    builtin("addErrorContext", (context: Lazy, value: Lazy) => {
      try {
        return force(value);
      } catch (thrown) {
        if (thrown instanceof EvalError && thrown.code === "arithmetic") throw thrown;
        return callN(newer("addErrorContext"), [context, value]);
      }
    }),
    builtin("toJSON", (value: Lazy) => {
      const { text, context } = valueToJson(value, { strict: true });
      const shown = (token: string) => (/^"|^-?\d+$/.test(token) ? token : printValue(new NixFloat(Number(token))));
      return makeString(text.replace(STRING_OR_NUMBER, shown), context);
    }),
    builtin("substring", (start: Lazy, length: Lazy, string: Lazy) => {
      const [from, count] = [forceInt(start), forceInt(length)];
      const text = coerceToString(force(string), "natural", "copy");
      return callN(newer("substring"), [from, count, text]);
    }),
  ];
}
