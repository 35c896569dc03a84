// Public, in reading order.
export { Evaluator, NIX_VERSION } from "./evaluator.ts";
export type { EvaluatorOptions, SearchPathEntry } from "./evaluator.ts";
export type { CodeStore } from "./code-cache.ts";
export type { LanguageOptions } from "./language-options.ts";
export type { LintLevel, Lints } from "@firn/syntax";
export type { EvalIo, FileKind, LogDetails, LogKind } from "./io.ts";
export type { ObservedFunction, ObservedSource, Observer } from "./observer.ts";
export { Statistics } from "./statistics.ts";
export type { CallCounts, EvalCounts } from "./statistics.ts";
export { EvalError, framed } from "./error.ts";
export type { EvalErrorCode, TraceFrame } from "./error.ts";
export { Positions } from "./positions.ts";
export type { Origin, Position } from "./positions.ts";
export { Builtin, Closure, NixFloat, PartialApplication, PathValue, StringWithContext, Thunk } from "./value.ts";
export type { Lazy, SourceTree, Value } from "./value.ts";
export { Attrs, update } from "./attrs.ts";
export { displayContextElement, parseContextElement, StringContext, uniteContexts } from "./context.ts";
export type { ContextElement } from "./context.ts";
export { describeType, typeError, typeOf } from "./type-name.ts";
export { printValue } from "./print.ts";
export { quoteString, showName } from "./quote.ts";
export { showExpr } from "./show-expr.ts";
export { showCode } from "./show-code.ts";
export { canonicalPath, lastPart, parentPath, resolvePath } from "./path.ts";

// For those who write builtins.
export { builtin, globalBuiltin } from "./builtins/definition.ts";
export type { BuiltinDefinition } from "./builtins/definition.ts";
export { nativeFunction } from "./native-function.ts";
export { call1, call2, force, lazily, poll } from "./machine.ts";
export { currentIo, currentPositions } from "./world.ts";
export type { CancelWord } from "./machine.ts";
export {
  coerceToString,
  contextOfString,
  forceAttrs,
  forceBool,
  forceFunction,
  forceInt,
  forceList,
  forceString,
  forceText,
  forceTextWithoutContext,
  makeString,
  textOfString,
} from "./coerce.ts";
export type { StringValue } from "./coerce.ts";
export { coerceToPath, coerceToPathUnbuilt, followLinks } from "./path-value.ts";
export { deepForce } from "./builtins/control.ts";
export { hashAlgorithmOf } from "./builtins/strings.ts";
export { requiredAttr } from "./builtins/sets.ts";
export { valueToJson } from "./builtins/json.ts";
export { valueToXml } from "./builtins/xml.ts";
