// Public, in reading order.
export { NESTING_MAX, parse, parseOrThrow, SOURCE_BYTES_MAX } from "./parser.ts";
export type { ParseOptions, ParseResult } from "./parser.ts";
export type * from "./tree.ts";
export { SyntaxFailure } from "./diagnostic.ts";
export type { Diagnostic, DiagnosticCode } from "./diagnostic.ts";
export { excerptOf, lineColumnOf, lineText } from "./position.ts";
export type { LineColumn } from "./position.ts";
