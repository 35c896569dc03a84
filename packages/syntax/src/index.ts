// Public, in reading order.
export { parse, parseOrThrow } from "./parse.ts";
export type { ParseResult } from "./parse.ts";
export { NESTING_MAX, SOURCE_BYTES_MAX } from "./options.ts";
export type { LintLevel, Lints, ParseOptions } from "./options.ts";
export type * from "./tree.ts";
export { nullByteMessage } from "./findings.ts";
export { SyntaxFailure } from "./diagnostic.ts";
export type { Diagnostic, DiagnosticCode } from "./diagnostic.ts";
export { excerptOf, lineColumnOf, lineText } from "./position.ts";
export type { LineColumn } from "./position.ts";
