/*
The text inside string literals: escapes, and the stripping of indented strings. It follows `unescapeStr` and
`ParserState::stripIndentation` of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import type { Expr, StringExpr } from "./tree.ts";

/** A piece of an indented string as scanned: literal text, whose indentation counts or not (escapes), or an interpolation. */
export type IndentedPart =
  | { readonly text: ByteString; readonly indentation: boolean; readonly from: number; readonly to: number }
  | { readonly text: undefined; readonly expr: Expr };

/** What a character after a backslash stands for. */
export function unescape(c: number): ByteString {
  return c === 110 ? "\n" : c === 114 ? "\r" : c === 116 ? "\t" : String.fromCharCode(c);
}

/** CR and CRLF become LF. */
export function normalizeLineEnds(text: ByteString): ByteString {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

/** Removes the common indentation and the last line when it is blank; joins what can be joined. */
export function stripIndentation(parts: readonly IndentedPart[]): Expr[] {
  const indent = commonIndentation(parts);
  const stripped: Expr[] = [];
  let atStart = true;
  let dropped = 0;
  parts.forEach((part, index) => {
    if (part.text === undefined) {
      atStart = false;
      dropped = 0;
      stripped.push(part.expr);
      return;
    }
    const text = part.text;
    let kept = "";
    let run = 0;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (atStart) {
        if (c === 32) {
          if (dropped++ < indent) {
            kept += text.slice(run, i);
            run = i + 1;
          }
          continue;
        }
        dropped = 0;
        if (c !== 10) atStart = false;
      } else if (c === 10) {
        atStart = true;
        dropped = 0;
      }
    }
    kept += text.slice(run);
    if (index === parts.length - 1) {
      const lastLine = kept.lastIndexOf("\n") + 1;
      if (lastLine > 0 && isBlank(kept, lastLine)) kept = kept.slice(0, lastLine);
    }
    if (kept !== "") appendText(stripped, kept, part.from, part.to);
  });
  return stripped;
}

function isBlank(text: ByteString, from: number): boolean {
  for (let i = from; i < text.length; i++) if (text.charCodeAt(i) !== 32) return false;
  return true;
}

/** The least number of spaces before anything on a line; lines of spaces only do not count. */
function commonIndentation(parts: readonly IndentedPart[]): number {
  let least = 1_000_000;
  let atStart = true;
  let current = 0;
  for (const part of parts) {
    if (part.text === undefined || !part.indentation) {
      if (atStart) {
        atStart = false;
        if (current < least) least = current;
      }
      continue;
    }
    const text = part.text;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (atStart) {
        if (c === 32) current++;
        else if (c === 10) current = 0;
        else {
          atStart = false;
          if (current < least) least = current;
        }
      } else if (c === 10) {
        atStart = true;
        current = 0;
      }
    }
  }
  return least;
}

/** Appends literal text, joining it with a literal before it. */
export function appendText(parts: Expr[], text: ByteString, from: number, to: number): void {
  const last = parts.at(-1);
  if (last?.kind === "string") {
    const joined: StringExpr = { kind: "string", value: last.value + text, url: false, from: last.from, to };
    parts[parts.length - 1] = joined;
  } else parts.push({ kind: "string", value: text, url: false, from, to });
}
