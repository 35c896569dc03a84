/*
Strings and paths, scanned character by character from behind their opening token, because `${` nests whole expressions in them. The rules are
those of the STRING, IND_STRING and INPATH states of C++ Nix's lexer.l.
*/

import type { ByteString } from "@firn/base";
import type { Findings } from "./findings.ts";
import { appendText, type IndentedPart, normalizeLineEnds, unescape } from "./strings.ts";
import { endOfPathPart, type Tokenizer } from "./tokenizer.ts";
import type { Expr } from "./tree.ts";

/** What scanning a literal needs of the parser. */
export type LiteralHost = {
  readonly source: ByteString;
  readonly tok: Tokenizer;
  /** Parses the expression of the `${` at this offset; `end` is where the text goes on behind its `}`. */
  readonly interpolation: (at: number) => { readonly expr: Expr; readonly end: number };
  readonly findings: Findings;
  /** Where the `${` of each interpolated expression is. */
  readonly openings: Map<Expr, number>;
};

function unterminated(host: LiteralHost): void {
  const end = host.source.length;
  host.findings.report("syntax", "syntax error, unexpected end of file, expecting '\"'", end, end);
}

/** The parts of a "…" string whose opening is the current token; moves on behind its end. */
export function stringParts(host: LiteralHost): Expr[] {
  const source = host.source;
  const parts: Expr[] = [];
  let at = host.tok.to;
  let run = at;
  let text = "";
  let textFrom = at;
  const flush = (to: number) => {
    if (text.includes("\0")) host.findings.nullByte(text, textFrom, to);
    if (text !== "") appendText(parts, text, textFrom, to);
    text = "";
  };
  for (;;) {
    const c = at < source.length ? source.charCodeAt(at) : -1;
    if (c === 34 || c === -1) {
      text += normalizeLineEnds(source.slice(run, at));
      flush(at);
      if (c === -1) unterminated(host);
      host.tok.seek(c === -1 ? at : at + 1);
      return parts;
    }
    if (c === 92) {
      text += normalizeLineEnds(source.slice(run, at));
      if (at + 1 < source.length) text += unescape(source.charCodeAt(at + 1));
      at = Math.min(at + 2, source.length);
      run = at;
    } else if (c === 36) {
      const d = at + 1 < source.length ? source.charCodeAt(at + 1) : -1;
      if (d === 123) {
        text += normalizeLineEnds(source.slice(run, at));
        flush(at);
        const { expr, end } = host.interpolation(at);
        host.openings.set(expr, at);
        parts.push(expr);
        at = end;
        run = at;
        textFrom = at;
      } else at += d === 34 || d === 92 || d === -1 ? 1 : 2;
    } else at++;
  }
}

/** The parts of a ''…'' string whose opening is the current token, as written. */
export function indentedParts(host: LiteralHost): IndentedPart[] {
  const source = host.source;
  const parts: IndentedPart[] = [];
  let at = host.tok.to;
  // A first line of nothing but spaces does not belong to the text.
  let first = at;
  while (source.charCodeAt(first) === 32) first++;
  if (source.charCodeAt(first) === 10) at = first + 1;
  let run = at;
  const flush = (to: number) => {
    if (to === run) return;
    const text = source.slice(run, to);
    if (text.includes("\0")) host.findings.nullByte(text, run, to);
    parts.push({ text, indentation: true, from: run, to });
  };
  const escape = (text: string, length: number) => {
    flush(at);
    parts.push({ text, indentation: false, from: at, to: at + length });
    at += length;
    run = at;
  };
  for (;;) {
    const c = at < source.length ? source.charCodeAt(at) : -1;
    if (c === -1) {
      flush(at);
      unterminated(host);
      host.tok.seek(at);
      return parts;
    }
    const d = source.charCodeAt(at + 1);
    if (c === 36) {
      if (d === 123) {
        flush(at);
        const { expr, end } = host.interpolation(at);
        host.openings.set(expr, at);
        parts.push({ text: undefined, expr });
        at = end;
        run = at;
      } else if (d === 39) escape("$", 1);
      else at += 2;
    } else if (c === 39) {
      if (d === 39) {
        const e = source.charCodeAt(at + 2);
        if (e === 36) escape("$", 3);
        else if (e === 39) escape("''", 3);
        else if (e === 92 && at + 3 < source.length) escape(unescape(source.charCodeAt(at + 3)), 4);
        else {
          flush(at);
          host.tok.seek(at + 2);
          return parts;
        }
      } else if (d === 36) escape("'", 1);
      else at += 2;
    } else at++;
    if (at > source.length) at = source.length;
  }
}

/** The path literal whose first piece is the current token. */
export function pathLiteral(host: LiteralHost): Expr {
  const tok = host.tok;
  const source = host.source;
  const from = tok.from;
  let at = endOfPathPart(source, tok.to);
  const first: Expr = { kind: "path", text: source.slice(from, at), from, to: at };
  const parts: Expr[] = [first];
  lintPath(host, first.text, from, at);
  let literalEnd = at;
  while (source.charCodeAt(at) === 36 && source.charCodeAt(at + 1) === 123) {
    const { expr, end } = host.interpolation(at);
    host.openings.set(expr, at);
    parts.push(expr);
    at = endOfPathPart(source, end);
    literalEnd = at > end ? at : -1;
    if (at > end) appendText(parts, source.slice(end, at), end, at);
  }
  tok.seek(at);
  if (literalEnd > 0 && source.charCodeAt(literalEnd - 1) === 47) {
    host.findings.report("path", "path has a trailing slash", at, at);
    return { kind: "error", from, to: at };
  }
  return parts.length === 1 ? first : interpolationOf(host, parts, true, from, at);
}

function lintPath(host: LiteralHost, text: ByteString, from: number, to: number): void {
  const c = text.charCodeAt(0);
  if (c === 46) return;
  if (c === 47 || c === 126) {
    const kind = c === 47 ? "absolute" : "home";
    const message = `${kind} path literals are not portable. Consider replacing path literal '${text}' by a string, relative path, or parameter`;
    host.findings.lint("absolutePathLiterals", () => message, from, to);
  } else {
    const message = `relative path literal '${text}' should be prefixed with '.' for clarity: './${text}'`;
    host.findings.lint("shortPathLiterals", () => message, from, to);
  }
}

function interpolationOf(host: LiteralHost, parts: Expr[], path: boolean, from: number, to: number): Expr {
  const starts = parts.map((part) => host.openings.get(part) ?? part.from);
  return { kind: "interpolation", parts, starts, path, from, to };
}

/** What the parts of a string make, its range being [from, to). */
export function stringOf(host: LiteralHost, parts: Expr[], from: number, to: number): Expr {
  if (parts.length === 0) return { kind: "string", value: "", url: false, from, to };
  const only = parts.length === 1 ? parts[0] : undefined;
  // What came of a `${…}` is not text, although it is known.
  if (only?.kind === "string" && !host.openings.has(only))
    return { kind: "string", value: only.value, url: false, from, to };
  return interpolationOf(host, parts, false, from, to);
}

/** Digits as an integer, or undefined when it does not fit 64 bits. */
export function intLiteral(text: string, from: number, to: number): Expr | undefined {
  if (text.length < 16) return { kind: "int", value: Number(text), from, to };
  const value = BigInt(text);
  if (value > 0x7fff_ffff_ffff_ffffn) return undefined;
  return { kind: "int", value: value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value, from, to };
}
