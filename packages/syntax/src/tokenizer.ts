/*
The tokenizer. It is driven by the parser one token at a time and keeps no queue, so that going back is setting `at`. It
works on char codes of a byte string; no regular expression runs here, because start-up is what most evaluations consist of.

The rules are those of C++ Nix's lexer.l, longest match included: `a/b` is a path, `x:x` a URI, `-b/c` a path, `1/2` a path.
*/

import type { ByteString } from "@firn/base";
import * as t from "./token.ts";

const ID_START = 1;
const ID_CHAR = 2;
const DIGIT = 4;
const PATH_CHAR = 8;
const SCHEME_CHAR = 16;
const URI_CHAR = 32;

/** Character classes, a bit set per byte. */
const CLASS = new Uint8Array(257);
for (let c = 0; c < 128; c++) {
  const s = String.fromCharCode(c);
  if (/[a-zA-Z_]/.test(s)) CLASS[c] |= ID_START;
  if (/[a-zA-Z0-9_'-]/.test(s)) CLASS[c] |= ID_CHAR;
  if (/[0-9]/.test(s)) CLASS[c] |= DIGIT;
  if (/[a-zA-Z0-9._+-]/.test(s)) CLASS[c] |= PATH_CHAR;
  if (/[a-zA-Z0-9+.-]/.test(s)) CLASS[c] |= SCHEME_CHAR;
  if (/[a-zA-Z0-9%/?:@&=+$,\-_.!~*']/.test(s)) CLASS[c] |= URI_CHAR;
}

const SLASH = 47;

export class Tokenizer {
  readonly source: ByteString;
  /** The current token: kind and range. */
  kind: number = t.T_EOF;
  from = 0;
  to = 0;
  /** Where the previous token ended, for the ranges of trees. */
  lastTo = 0;

  constructor(source: ByteString) {
    this.source = source;
  }

  /** Makes the token that starts at or after `at` the current one. */
  seek(at: number): void {
    this.to = at;
    this.next();
  }

  /** The text of the current token. */
  text(): ByteString {
    return this.source.slice(this.from, this.to);
  }

  /** Moves on to the next token. */
  next(): void {
    const source = this.source;
    const length = source.length;
    let at = this.to;
    this.lastTo = at;
    for (; at < length; at++) {
      const c = source.charCodeAt(at);
      if (c === 32 || c === 10 || c === 13 || c === 9) continue;
      if (c === 35) {
        at = endOfLine(source, at);
        at--;
        continue;
      }
      if (c === SLASH && source.charCodeAt(at + 1) === 42) {
        const end = source.indexOf("*/", at + 2);
        if (end < 0) break;
        at = end + 1;
        continue;
      }
      break;
    }
    this.from = at;
    if (at >= length) {
      this.kind = t.T_EOF;
      this.to = length;
      return;
    }
    const c = source.charCodeAt(at);
    const cls = CLASS[c];
    if ((cls & ID_START) !== 0) this.#identifier(at);
    else if ((cls & PATH_CHAR) !== 0 || c === SLASH) {
      if (this.#path(at)) return;
      if ((cls & DIGIT) !== 0 || (c === 46 && (CLASS[code(source, at + 1)] & DIGIT) !== 0)) this.#number(at);
      else this.#operator(at, c);
    } else this.#operator(at, c);
  }

  #set(kind: number, to: number): void {
    this.kind = kind;
    this.to = to;
  }

  #identifier(from: number): void {
    const source = this.source;
    let at = from + 1;
    while ((CLASS[code(source, at)] & ID_CHAR) !== 0) at++;
    const c = code(source, at);
    // Only these can make it a path or a URI instead: `a.b/c`, `a/b`, `a+b/c`, `x:y`, `a.b:c`.
    if (c === 46 || c === SLASH || c === 43 || c === 58) {
      if (this.#path(from)) return;
      if (this.#uri(from)) return;
    }
    this.to = at;
    const word = at - from <= 7 ? t.KEYWORDS.get(source.slice(from, at)) : undefined;
    this.kind = word ?? t.T_ID;
  }

  /** PATH, or the start of a path that goes on with an interpolation. */
  #path(from: number): boolean {
    const source = this.source;
    let at = from;
    while ((CLASS[code(source, at)] & PATH_CHAR) !== 0) at++;
    if (code(source, at) !== SLASH) return false;
    const end = endOfSegments(source, at);
    if (end > at) {
      this.#set(t.T_PATH, end);
      return true;
    }
    if (code(source, at + 1) === 36 && code(source, at + 2) === 123) {
      this.#set(t.T_PATH, at + 1);
      return true;
    }
    return false;
  }

  #uri(from: number): boolean {
    const source = this.source;
    if (code(source, from) === 95) return false;
    let at = from;
    while ((CLASS[code(source, at)] & SCHEME_CHAR) !== 0) at++;
    if (code(source, at) !== 58) return false;
    const start = ++at;
    while ((CLASS[code(source, at)] & URI_CHAR) !== 0) at++;
    if (at === start) return false;
    this.#set(t.T_URI, at);
    return true;
  }

  /** INT, or FLOAT: `[1-9][0-9]*\.[0-9]*` or `0?\.[0-9]+`, with an exponent. */
  #number(from: number): void {
    const source = this.source;
    let at = from;
    while ((CLASS[code(source, at)] & DIGIT) !== 0) at++;
    const digits = at - from;
    const first = code(source, from);
    if (code(source, at) === 46) {
      const fraction = at + 1;
      let end = fraction;
      while ((CLASS[code(source, end)] & DIGIT) !== 0) end++;
      const leadingDigit = digits > 0 && first !== 48;
      if (leadingDigit || ((digits === 0 || (digits === 1 && first === 48)) && end > fraction)) {
        this.#set(t.T_FLOAT, this.#exponent(end));
        return;
      }
    }
    this.#set(t.T_INT, at);
  }

  #exponent(at: number): number {
    const source = this.source;
    const c = code(source, at);
    if (c !== 101 && c !== 69) return at;
    let end = at + 1;
    const sign = code(source, end);
    if (sign === 43 || sign === 45) end++;
    const digits = end;
    while ((CLASS[code(source, end)] & DIGIT) !== 0) end++;
    return end > digits ? end : at;
  }

  #operator(at: number, c: number): void {
    const source = this.source;
    const d = code(source, at + 1);
    switch (c) {
      case 34:
        return this.#set(t.T_STRING, at + 1);
      case 39:
        return d === 39 ? this.#set(t.T_IND_STRING, at + 2) : this.#set(t.T_INVALID, at + 1);
      case 123:
        return this.#set(t.T_LBRACE, at + 1);
      case 125:
        return this.#set(t.T_RBRACE, at + 1);
      case 40:
        return this.#set(t.T_LPAREN, at + 1);
      case 41:
        return this.#set(t.T_RPAREN, at + 1);
      case 91:
        return this.#set(t.T_LBRACKET, at + 1);
      case 93:
        return this.#set(t.T_RBRACKET, at + 1);
      case 59:
        return this.#set(t.T_SEMI, at + 1);
      case 58:
        return this.#set(t.T_COLON, at + 1);
      case 44:
        return this.#set(t.T_COMMA, at + 1);
      case 64:
        return this.#set(t.T_AT, at + 1);
      case 63:
        return this.#set(t.T_QUESTION, at + 1);
      case 46:
        return d === 46 && code(source, at + 2) === 46 ? this.#set(t.T_ELLIPSIS, at + 3) : this.#set(t.T_DOT, at + 1);
      case 61:
        return d === 61 ? this.#set(t.T_EQ, at + 2) : this.#set(t.T_ASSIGN, at + 1);
      case 33:
        return d === 61 ? this.#set(t.T_NEQ, at + 2) : this.#set(t.T_NOT, at + 1);
      case 43:
        return d === 43 ? this.#set(t.T_CONCAT, at + 2) : this.#set(t.T_PLUS, at + 1);
      case 45:
        return d === 62 ? this.#set(t.T_IMPL, at + 2) : this.#set(t.T_MINUS, at + 1);
      case 42:
        return this.#set(t.T_MUL, at + 1);
      case SLASH:
        return d === SLASH ? this.#set(t.T_UPDATE, at + 2) : this.#set(t.T_DIV, at + 1);
      case 62:
        return d === 61 ? this.#set(t.T_GE, at + 2) : this.#set(t.T_GT, at + 1);
      case 60: {
        const end = endOfSearchPath(source, at);
        if (end > 0) return this.#set(t.T_SEARCH_PATH, end);
        if (d === 61) return this.#set(t.T_LE, at + 2);
        return d === 124 ? this.#set(t.T_PIPE_FROM, at + 2) : this.#set(t.T_LT, at + 1);
      }
      case 38:
        return d === 38 ? this.#set(t.T_AND, at + 2) : this.#set(t.T_INVALID, at + 1);
      case 124:
        if (d === 124) return this.#set(t.T_OR_OR, at + 2);
        return d === 62 ? this.#set(t.T_PIPE_INTO, at + 2) : this.#set(t.T_INVALID, at + 1);
      case 36:
        return d === 123 ? this.#set(t.T_DOLLAR_BRACE, at + 2) : this.#set(t.T_INVALID, at + 1);
      case 126: {
        if (d !== SLASH) return this.#set(t.T_INVALID, at + 1);
        const end = endOfSegments(source, at + 1);
        if (end > at + 1) return this.#set(t.T_PATH, end);
        const interpolated = code(source, at + 2) === 36 && code(source, at + 3) === 123;
        return this.#set(interpolated ? t.T_PATH : t.T_INVALID, at + (interpolated ? 2 : 1));
      }
      default:
        return this.#set(t.T_INVALID, at + 1);
    }
  }
}

/** The char code at `at`, or 256 (no class) past the end. */
function code(source: ByteString, at: number): number {
  return at < source.length ? source.charCodeAt(at) : 256;
}

function endOfLine(source: ByteString, at: number): number {
  while (at < source.length && source.charCodeAt(at) !== 10 && source.charCodeAt(at) !== 13) at++;
  return at;
}

/** The end of `(/PATH_CHAR+)+/?` from the slash at `at`, or `at` when there is not one segment. */
function endOfSegments(source: ByteString, at: number): number {
  let end = at;
  for (;;) {
    if (code(source, end) !== SLASH || (CLASS[code(source, end + 1)] & PATH_CHAR) === 0) break;
    end++;
    while ((CLASS[code(source, end)] & PATH_CHAR) !== 0) end++;
  }
  return end > at && code(source, end) === SLASH ? end + 1 : end;
}

/** The end of `<a/b>`, or 0. */
function endOfSearchPath(source: ByteString, at: number): number {
  let end = at + 1;
  for (;;) {
    const start = end;
    while ((CLASS[code(source, end)] & PATH_CHAR) !== 0) end++;
    if (end === start) return 0;
    if (code(source, end) === 62) return end + 1;
    if (code(source, end) !== SLASH) return 0;
    end++;
  }
}

/** The end of the path characters and slashes that continue a path after an interpolation. */
export function endOfPathPart(source: ByteString, at: number): number {
  for (;;) {
    const start = at;
    while ((CLASS[code(source, at)] & PATH_CHAR) !== 0) at++;
    const end = code(source, at) === SLASH ? endOfSegments(source, at) : at;
    if (end > at) at = end;
    else if (code(source, at) === SLASH && at > 0 && source.charCodeAt(at - 1) !== SLASH) at++;
    if (at === start) return at;
  }
}
