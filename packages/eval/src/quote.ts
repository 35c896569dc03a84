/*
Strings and names as Nix source.
*/

import type { ByteString } from "@firn/base";

const KEYWORDS = new Set(["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit"]);

/** A string literal. Follows `printLiteralString` of C++ Nix: `${` is escaped, other dollars are not. */
export function quoteString(text: ByteString): string {
  let quoted = '"';
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"' || c === "\\") quoted += `\\${c}`;
    else if (c === "\n") quoted += "\\n";
    else if (c === "\r") quoted += "\\r";
    else if (c === "\t") quoted += "\\t";
    else if (c === "$" && text[i + 1] === "{") quoted += "\\$";
    else quoted += c;
  }
  return `${quoted}"`;
}

/** A name as it may stand in a set: quoted unless it is an identifier. */
export function showName(name: ByteString): string {
  return /^[a-zA-Z_][a-zA-Z0-9_'-]*$/.test(name) && !KEYWORDS.has(name) ? name : quoteString(name);
}
