/* Trees as s-expressions, one form a node, for fixtures: `(binary + (int 1) (int 2))`. */

import type { AttrName, AttrsExpr, Expr } from "../src/tree.ts";

/** The whole tree; positions are left out. */
export function dump(expr: Expr): string {
  const all = (exprs: readonly Expr[]) => exprs.map((one) => ` ${dump(one)}`).join("");
  switch (expr.kind) {
    case "int":
    case "float":
      return `(${expr.kind} ${expr.value})`;
    case "string":
      return JSON.stringify(expr.value);
    case "interpolation":
      return `(${expr.path ? "path-parts" : "parts"}${all(expr.parts)})`;
    case "path":
    case "search-path":
      return `(${expr.kind} ${expr.text})`;
    case "var":
      return expr.name;
    case "cur-pos":
    case "error":
      return `(${expr.kind})`;
    case "select":
      return `(select ${dump(expr.subject)}${steps(expr.path)}${expr.fallback ? ` or ${dump(expr.fallback)}` : ""})`;
    case "has-attr":
      return `(has ${dump(expr.subject)}${steps(expr.path)})`;
    case "attrs":
      return `(${expr.recursive ? "rec" : "set"}${bindings(expr)})`;
    case "list":
      return `(list${all(expr.items)})`;
    case "lambda": {
      const formals = expr.formals?.formals.map(
        (one) => ` ${one.name}${one.fallback ? ` ? ${dump(one.fallback)}` : ""}`,
      );
      const set = formals === undefined ? "" : `{${formals.join("")}${expr.formals?.ellipsis ? " ..." : ""}}`;
      return `(fn ${[expr.arg, set].filter(Boolean).join("@")} ${dump(expr.body)})`;
    }
    case "apply":
      return `(call ${dump(expr.callee)}${all(expr.args)})`;
    case "let":
      return `(let${bindings(expr.attrs)} in ${dump(expr.body)})`;
    case "with":
      return `(with ${dump(expr.namespace)} ${dump(expr.body)})`;
    case "if":
      return `(if ${dump(expr.condition)} ${dump(expr.consequent)} ${dump(expr.alternative)})`;
    case "assert":
      return `(assert ${dump(expr.condition)} ${dump(expr.body)})`;
    case "not":
    case "negate":
      return `(${expr.kind} ${dump(expr.operand)})`;
    case "binary":
      return `(${expr.op} ${dump(expr.left)} ${dump(expr.right)})`;
  }
}

function steps(path: readonly AttrName[]): string {
  return path.map((step) => ` .${step.name ?? dump(step.expr)}`).join("");
}

function bindings(set: AttrsExpr): string {
  const parts: string[] = [];
  for (const [name, def] of set.attrs) {
    if (def.kind === "inherit-from") parts.push(` (${name} from ${def.source})`);
    else parts.push(def.kind === "inherit" ? ` (${name} inherited)` : ` (${name} ${dump(def.value)})`);
  }
  for (const { name, value } of set.dynamic) parts.push(` (\${${dump(name)}} ${dump(value)})`);
  if (set.sources.length > 0) parts.push(` (sources${set.sources.map((source) => ` ${dump(source)}`).join("")})`);
  return parts.join("");
}
