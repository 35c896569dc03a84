/*
Expressions as text, in the form `nix-instantiate --parse` prints them: fully parenthesised, sugar undone, names of sets sorted. Also quotes
the condition of a failed assertion.
*/

import { byteStringOfText } from "@firn/base";
import type { AttrName, AttrsExpr, Expr, Formals } from "@firn/syntax";
import { formatFloatShown } from "./float.ts";
import { quoteString, showName } from "./quote.ts";

/** `resolve` makes path literals absolute; without it they are shown as written. */
export function showExpr(expr: Expr, resolve: (path: string) => string = (path) => path): string {
  const show = (inner: Expr) => showExpr(inner, resolve);
  switch (expr.kind) {
    case "int":
      return String(expr.value);
    case "float":
      return formatFloatShown(expr.value);
    case "string":
      return quoteString(expr.value);
    case "interpolation":
      return `(${expr.parts.map(show).join(" + ")})`;
    case "path":
      return resolve(expr.text);
    case "search-path":
      return `(__findFile __nixPath ${quoteString(expr.text)})`;
    case "var":
      return showName(expr.name);
    case "cur-pos":
      return "__curPos";
    case "select": {
      const fallback = expr.fallback === undefined ? "" : ` or (${show(expr.fallback)})`;
      return `(${show(expr.subject)}).${showPath(expr.path, show)}${fallback}`;
    }
    case "has-attr":
      return `((${show(expr.subject)}) ? ${showPath(expr.path, show)})`;
    case "attrs":
      return `${expr.recursive ? "rec " : ""}{ ${showBindings(expr, show)}}`;
    case "list":
      return `[ ${expr.items.map((item) => `(${show(item)}) `).join("")}]`;
    case "lambda": {
      const formals = expr.formals === undefined ? "" : showFormals(expr.formals, show);
      const at = expr.formals !== undefined && expr.arg !== undefined ? " @ " : "";
      return `(${formals}${at}${expr.arg === undefined ? "" : showName(expr.arg)}: ${show(expr.body)})`;
    }
    case "apply":
      return `(${[expr.callee, ...expr.args].map(show).join(" ")})`;
    case "let":
      return `(let ${showBindings(expr.attrs, show)}in ${show(expr.body)})`;
    case "with":
      return `(with ${show(expr.namespace)}; ${show(expr.body)})`;
    case "if":
      return `(if ${show(expr.condition)} then ${show(expr.consequent)} else ${show(expr.alternative)})`;
    case "assert":
      return `assert ${show(expr.condition)}; ${show(expr.body)}`;
    case "not":
      return `(! ${show(expr.operand)})`;
    case "negate":
      return `(__sub 0 ${show(expr.operand)})`;
    case "binary": {
      const left = show(expr.left);
      const right = show(expr.right);
      switch (expr.op) {
        case "-":
          return `(__sub ${left} ${right})`;
        case "*":
          return `(__mul ${left} ${right})`;
        case "/":
          return `(__div ${left} ${right})`;
        case "<":
          return `(__lessThan ${left} ${right})`;
        case ">":
          return `(__lessThan ${right} ${left})`;
        case "<=":
          return `(! (__lessThan ${right} ${left}))`;
        case ">=":
          return `(! (__lessThan ${left} ${right}))`;
        case "|>":
          return `(${right} ${left})`;
        case "<|":
          return `(${left} ${right})`;
        default:
          return `(${left} ${expr.op} ${right})`;
      }
    }
    case "error":
      return byteStringOfText("«error»");
  }
}

function showPath(path: readonly AttrName[], show: (expr: Expr) => string): string {
  return path.map((step) => (step.name === undefined ? `"\${${show(step.expr)}}"` : showName(step.name))).join(".");
}

function showFormals(formals: Formals, show: (expr: Expr) => string): string {
  const sorted = [...formals.formals].sort((a, b) => (a.name < b.name ? -1 : 1));
  const parts = sorted.map(
    (one) => showName(one.name) + (one.fallback === undefined ? "" : ` ? ${show(one.fallback)}`),
  );
  if (formals.ellipsis) parts.push("...");
  return `{ ${parts.join(", ")} }`;
}

/** Plain inherits first, then those from sources, then definitions, then dynamic ones. */
function showBindings(set: AttrsExpr, show: (expr: Expr) => string): string {
  const names = [...set.attrs.keys()].sort();
  const inherited = names.filter((name) => set.attrs.get(name)?.kind === "inherit");
  let text = inherited.length === 0 ? "" : `inherit ${inherited.map(showName).join(" ")}; `;
  set.sources.forEach((source, index) => {
    const from = names.filter((name) => {
      const def = set.attrs.get(name);
      return def?.kind === "inherit-from" && def.source === index;
    });
    if (from.length > 0) text += `inherit (${show(source)}) ${from.map(showName).join(" ")}; `;
  });
  for (const name of names) {
    const def = set.attrs.get(name);
    if (def?.kind === "value") text += `${showName(name)} = ${show(def.value)}; `;
  }
  for (const dynamic of set.dynamic) text += `"\${${show(dynamic.name)}}" = ${show(dynamic.value)}; `;
  return text;
}
