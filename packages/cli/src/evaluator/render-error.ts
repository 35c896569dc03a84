/*
An EvalError as text: trace, message, place and excerpt, laid out as C++ Nix lays them out. Without `showTrace` only the outermost
few frames are shown.
*/

import type { EvalError, Positions } from "@firn/eval";
import type { FailureData } from "./job.ts";

const FRAMES_SHOWN = 3;
const INDENT = "       ";

export function renderError(error: EvalError, positions: Positions, showTrace: boolean): FailureData {
  const at = positions.resolve(error.pos);
  const lines: string[] = [];
  // Kept innermost first, shown outermost first.
  const frames = error.trace.filter((frame) => frame.pos !== 0 || showTrace).reverse();
  const shown = showTrace ? frames : frames.slice(0, FRAMES_SHOWN);
  if (shown.length > 0) {
    lines.push("error:");
    for (const frame of shown) {
      lines.push(`${INDENT}… ${frame.message}`);
      const where = positions.describe(frame.pos);
      if (where !== undefined) {
        lines.push(`${INDENT}  at ${where}:`);
        lines.push(indent(positions.excerpt(frame.pos) ?? "", `${INDENT}  `), "");
      } else lines.push("");
    }
    if (shown.length < frames.length) {
      lines.push(`${INDENT}(stack trace truncated; use '--show-trace' to show the full, detailed trace)`, "");
    }
    lines.push(`${INDENT}error: ${indentRest(error.message)}`);
  } else lines.push(`error: ${indentRest(error.message)}`);
  const where = positions.describe(error.pos);
  if (where !== undefined) {
    lines.push(`${INDENT}at ${where}:`);
    lines.push(indent(positions.excerpt(error.pos) ?? "", INDENT));
  }
  return {
    code: error.code,
    summary: error.message,
    message: lines.join("\n"),
    ...(at === undefined ? {} : { position: { file: at.origin.label, line: at.line, column: at.column } }),
  };
}

function indent(text: string, by: string): string {
  return text
    .split("\n")
    .map((line) => by + line)
    .join("\n");
}

function indentRest(text: string): string {
  return text.split("\n").join(`\n${INDENT}`);
}
