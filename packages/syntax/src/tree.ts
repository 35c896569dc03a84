/*
The tree of a Nix expression. It is the tree after Nix's own parse-time sugar: nested attribute paths are merged into attribute
sets, indented strings are stripped, adjacent string parts are joined, parentheses are gone. What the language lets a program shadow
(`a - b` means `__sub a b`) stays an operator here and is resolved by the evaluator, which knows the scopes.

Positions are byte offsets into the source, half open [from, to). Names and texts are byte strings.
*/

import type { ByteString } from "@firn/base";

export type Expr =
  | IntExpr
  | FloatExpr
  | StringExpr
  | InterpolationExpr
  | PathExpr
  | SearchPathExpr
  | VarExpr
  | CurPosExpr
  | SelectExpr
  | HasAttrExpr
  | AttrsExpr
  | ListExpr
  | LambdaExpr
  | ApplyExpr
  | LetExpr
  | WithExpr
  | IfExpr
  | AssertExpr
  | NotExpr
  | NegateExpr
  | BinaryExpr
  | ErrorExpr;

type Range = { readonly from: number; readonly to: number };

/** A number while it is a safe integer, a bigint up to 2^63-1 otherwise. */
export type IntExpr = Range & { readonly kind: "int"; readonly value: number | bigint };
export type FloatExpr = Range & { readonly kind: "float"; readonly value: number };
/** A string without interpolation, URL literals included. */
export type StringExpr = Range & { readonly kind: "string"; readonly value: ByteString; readonly url: boolean };
/** A string or path with `${…}`. The first part of a path is a PathExpr. */
export type InterpolationExpr = Range & {
  readonly kind: "interpolation";
  readonly parts: readonly Expr[];
  /** Where each part begins: its `${`, or its text. */
  readonly starts: readonly number[];
  readonly path: boolean;
};
/** A path literal as written, not yet resolved: `./a`, `/a`, `~/a`. */
export type PathExpr = Range & { readonly kind: "path"; readonly text: ByteString };
/** `<nixpkgs/lib>`, without the brackets. */
export type SearchPathExpr = Range & { readonly kind: "search-path"; readonly text: ByteString };
export type VarExpr = Range & { readonly kind: "var"; readonly name: ByteString };
/** `__curPos`. */
export type CurPosExpr = Range & { readonly kind: "cur-pos" };
export type SelectExpr = Range & {
  readonly kind: "select";
  readonly subject: Expr;
  readonly path: readonly AttrName[];
  readonly fallback: Expr | undefined;
};
export type HasAttrExpr = Range & {
  readonly kind: "has-attr";
  readonly subject: Expr;
  readonly path: readonly AttrName[];
};

/** One step of an attribute path: a name known from the text, or an expression. */
export type AttrName =
  | (Range & { readonly name: ByteString; readonly expr: undefined })
  | (Range & { readonly name: undefined; readonly expr: Expr });

/** `{ … }` and `rec { … }`, merged. Also holds the bindings of a `let`. */
export type AttrsExpr = Range & {
  readonly kind: "attrs";
  readonly recursive: boolean;
  readonly attrs: Map<ByteString, AttrDef>;
  readonly dynamic: DynamicAttrDef[];
  /** The sources of `inherit (source) …`, evaluated once each; `AttrDef.source` indexes them. */
  readonly sources: Expr[];
};
/**
 * `value`: an ordinary definition. `inherit`: the variable of that name outside the set.
 * `inherit-from`: the attribute of that name of `sources[source]`.
 */
export type AttrDef =
  | { readonly kind: "value"; readonly pos: number; readonly value: Expr }
  | { readonly kind: "inherit"; readonly pos: number; readonly value: VarExpr }
  | { readonly kind: "inherit-from"; readonly pos: number; readonly source: number };
export type DynamicAttrDef = { readonly pos: number; readonly name: Expr; readonly value: Expr };

export type ListExpr = Range & { readonly kind: "list"; readonly items: readonly Expr[] };
export type LambdaExpr = Range & {
  readonly kind: "lambda";
  /** `x:`, or the name beside `@`. */
  readonly arg: ByteString | undefined;
  readonly formals: Formals | undefined;
  readonly body: Expr;
};
export type Formals = { readonly formals: readonly Formal[]; readonly ellipsis: boolean };
export type Formal = { readonly name: ByteString; readonly pos: number; readonly fallback: Expr | undefined };
/** `f a b c`, the whole spine. */
export type ApplyExpr = Range & { readonly kind: "apply"; readonly callee: Expr; readonly args: readonly Expr[] };
/** `let … in body`. The legacy `let { … body = …; }` is a SelectExpr on a recursive set. */
export type LetExpr = Range & { readonly kind: "let"; readonly attrs: AttrsExpr; readonly body: Expr };
export type WithExpr = Range & { readonly kind: "with"; readonly namespace: Expr; readonly body: Expr };
export type IfExpr = Range & {
  readonly kind: "if";
  readonly condition: Expr;
  readonly consequent: Expr;
  readonly alternative: Expr;
};
export type AssertExpr = Range & { readonly kind: "assert"; readonly condition: Expr; readonly body: Expr };
export type NotExpr = Range & { readonly kind: "not"; readonly operand: Expr };
export type NegateExpr = Range & { readonly kind: "negate"; readonly operand: Expr };
/** `pos` is where the operator stands. */
export type BinaryExpr = Range & {
  readonly kind: "binary";
  readonly op: BinaryOp;
  readonly left: Expr;
  readonly right: Expr;
  readonly pos: number;
  /** Where the right operand begins, parentheses included. The left one begins where the whole does. */
  readonly rightFrom: number;
};
export type BinaryOp =
  | "->"
  | "||"
  | "&&"
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "//"
  | "+"
  | "-"
  | "*"
  | "/"
  | "++"
  | "|>"
  | "<|";
/** Where the source made no sense; a diagnostic says why. */
export type ErrorExpr = Range & { readonly kind: "error" };
