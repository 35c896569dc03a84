/*
From a byte offset to a line and column, and to the excerpt that error messages show. Lines and columns count from 1;
columns count bytes, as in C++ Nix. CR, LF and CRLF each end a line.
*/

import type { ByteString } from "@firn/base";

export type LineColumn = { readonly line: number; readonly column: number };

/** The line and column of `offset`. Linear in the source: for error messages. */
export function lineColumnOf(source: ByteString, offset: number): LineColumn {
  let line = 1;
  let start = 0;
  for (let i = 0; i < offset && i < source.length; i++) {
    const c = source.charCodeAt(i);
    if (c === 10 || (c === 13 && source.charCodeAt(i + 1) !== 10)) {
      line++;
      start = i + 1;
    }
  }
  return { line, column: offset - start + 1 };
}

/** The text of `line` (from 1) without its end, or undefined when there is none. */
export function lineText(source: ByteString, line: number): ByteString | undefined {
  let at = 0;
  for (let n = 1; n < line; n++) {
    const end = lineEnd(source, at);
    if (end >= source.length) return undefined;
    at = end + (source.charCodeAt(end) === 13 && source.charCodeAt(end + 1) === 10 ? 2 : 1);
  }
  return source.slice(at, lineEnd(source, at));
}

function lineEnd(source: ByteString, from: number): number {
  for (let i = from; i < source.length; i++) {
    const c = source.charCodeAt(i);
    if (c === 10 || c === 13) return i;
  }
  return source.length;
}

/** The lines around a position with the gutter and caret of C++ Nix's messages (`printCodeLines`), each ended by a newline. */
export function excerptOf(source: ByteString, at: LineColumn): string {
  const row = (line: number, text: string) => ` ${String(line).padStart(5)}| ${text}`.trimEnd();
  const lines: string[] = [];
  const before = at.line > 1 ? lineText(source, at.line - 1) : undefined;
  if (before !== undefined) lines.push(row(at.line - 1, before));
  lines.push(row(at.line, lineText(source, at.line) ?? ""));
  lines.push(`      | ${" ".repeat(Math.max(0, at.column - 1))}^`);
  const after = lineText(source, at.line + 1);
  if (after !== undefined) lines.push(row(at.line + 1, after));
  return lines.join("\n");
}
