/*
The parser: recursive descent, with a precedence loop for the operators, over a tokenizer that it drives. It always yields a tree: where the
source makes no sense it records a diagnostic, leaves an ErrorExpr and goes on at the next place that could be sound.

The grammar is C++ Nix's parser.y (2.35). What Nix does while parsing (merging attribute sets, stripping indented strings) is
done here too, in attrs-builder.ts and strings.ts.
*/

import type { ByteString } from "@firn/base";
import { addBinding, addDef, emptyAttrs } from "./attrs-builder.ts";
import { type Diagnostic, type DiagnosticCode, SyntaxFailure } from "./diagnostic.ts";
import { lineColumnOf } from "./position.ts";
import { appendText, type IndentedPart, normalizeLineEnds, stripIndentation, unescape } from "./strings.ts";
import * as t from "./token.ts";
import { endOfPathPart, Tokenizer } from "./tokenizer.ts";
import type { AttrName, AttrsExpr, BinaryOp, Expr, Formal, Formals } from "./tree.ts";

/** Deepest nesting of expressions; deeper sources get a `limit` diagnostic. */
export const NESTING_MAX = 10_000;
/** Longest source in bytes. */
export const SOURCE_BYTES_MAX = 256 * 1024 * 1024;

export type ParseOptions = {
  /** Names the source in messages that point at a second place. */
  readonly label?: string;
  /** Whether `|>` and `<|` are allowed (feature pipe-operators). */
  readonly pipeOperators?: boolean;
};

export type ParseResult = { readonly tree: Expr; readonly diagnostics: readonly Diagnostic[] };

/** Parses a whole source. Never throws for bad input. */
export function parse(source: ByteString, options: ParseOptions = {}): ParseResult {
  const parser = new Parser(source, options);
  return { tree: parser.wholeSource(), diagnostics: parser.diagnostics };
}

/** Parses a whole source, or throws SyntaxFailure for its first diagnostic. */
export function parseOrThrow(source: ByteString, options: ParseOptions = {}): Expr {
  const { tree, diagnostics } = parse(source, options);
  if (diagnostics.length > 0) throw new SyntaxFailure(diagnostics[0]);
  return tree;
}

const NON_ASSOC = 0;
const LEFT = 1;
const RIGHT = 2;

/** Binding power and associativity by token kind; 0 is not an operator. The pipes stand lowest. */
const POWER = new Uint8Array(64);
const ASSOC = new Uint8Array(64);
const OPERATOR: BinaryOp[] = [];
for (const [power, assoc, kinds] of [
  [2, RIGHT, [t.T_IMPL]],
  [3, LEFT, [t.T_OR_OR]],
  [4, LEFT, [t.T_AND]],
  [5, NON_ASSOC, [t.T_EQ, t.T_NEQ]],
  [6, NON_ASSOC, [t.T_LT, t.T_GT, t.T_LE, t.T_GE]],
  [7, RIGHT, [t.T_UPDATE]],
  [9, LEFT, [t.T_PLUS, t.T_MINUS]],
  [10, LEFT, [t.T_MUL, t.T_DIV]],
  [11, RIGHT, [t.T_CONCAT]],
] as [number, number, number[]][]) {
  for (const kind of kinds) {
    POWER[kind] = power;
    ASSOC[kind] = assoc;
    OPERATOR[kind] = t.TOKEN_NAMES[kind].slice(1, -1) as BinaryOp;
  }
}
const POWER_NOT = 8;
const POWER_HAS_ATTR = 12;

class Parser {
  readonly diagnostics: Diagnostic[] = [];
  readonly #source: ByteString;
  readonly #tok: Tokenizer;
  readonly #options: ParseOptions;
  readonly #names = new Map<string, string>();
  #depth = 0;

  constructor(source: ByteString, options: ParseOptions) {
    this.#source = source;
    this.#tok = new Tokenizer(source);
    this.#options = options;
  }

  wholeSource(): Expr {
    if (this.#source.length > SOURCE_BYTES_MAX) {
      return this.#error("limit", `the source is longer than ${SOURCE_BYTES_MAX} bytes`, 0, 0);
    }
    this.#tok.next();
    const tree = this.#expr();
    if (this.#tok.kind !== t.T_EOF) this.#unexpected("end of file");
    return tree;
  }

  // Diagnostics

  #report(code: DiagnosticCode, message: string, from: number, to: number): void {
    this.diagnostics.push({ code, message, from, to });
  }

  #error(code: DiagnosticCode, message: string, from: number, to: number): Expr {
    this.#report(code, message, from, to);
    return { kind: "error", from, to };
  }

  #unexpected(expected?: string): void {
    const { kind, from, to } = this.#tok;
    const expecting = expected === undefined ? "" : `, expecting ${expected}`;
    // One place that makes no sense is reported once, however many rules give up on it.
    if (this.diagnostics.at(-1)?.from === from && this.diagnostics.at(-1)?.code === "syntax") return;
    this.#report("syntax", `syntax error, unexpected ${t.TOKEN_NAMES[kind]}${expecting}`, from, to);
  }

  #duplicate = (what: string, pos: number, firstPos: number): void => {
    const at = lineColumnOf(this.#source, firstPos);
    const where = `${this.#options.label ?? "«source»"}:${at.line}:${at.column}`;
    this.#report("duplicate", `attribute '${what}' already defined at ${where}`, pos, pos);
  };

  /** Consumes a token of this kind, or reports that it is missing. */
  #expect(kind: number): boolean {
    if (this.#tok.kind === kind) {
      this.#tok.next();
      return true;
    }
    this.#unexpected(t.TOKEN_NAMES[kind]);
    return false;
  }

  /** One string object per name, so that names compare by pointer. */
  #intern(name: string): string {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    this.#names.set(name, name);
    return name;
  }

  #idText(): string {
    return this.#intern(this.#tok.text());
  }

  // Expressions

  #expr(): Expr {
    if (++this.#depth > NESTING_MAX) {
      this.#depth--;
      const { from, to } = this.#tok;
      this.#tok.seek(this.#source.length);
      return this.#error("limit", `expressions nest deeper than ${NESTING_MAX}`, from, to);
    }
    const expr = this.#exprFunction();
    this.#depth--;
    return expr;
  }

  #exprFunction(): Expr {
    const tok = this.#tok;
    const from = tok.from;
    switch (tok.kind) {
      case t.T_ID: {
        // `x: …`, `x @ { … }: …`, or an expression that starts with a name.
        const after = tok.to;
        const c = this.#source.charCodeAt(after);
        if (c === 58 || c === 64 || c === 32 || c === 10 || c === 13 || c === 9 || c === 35 || c === 47) {
          const name = this.#idText();
          tok.next();
          if (tok.kind === t.T_COLON) {
            tok.next();
            return this.#lambda(from, name, undefined);
          }
          if (tok.kind === t.T_AT) {
            tok.next();
            const formals = this.#formals(name);
            this.#expect(t.T_COLON);
            return this.#lambda(from, name, formals);
          }
          tok.seek(from);
        }
        return this.#operators(from);
      }
      case t.T_LBRACE:
        if (this.#looksLikeFormals()) {
          const formals = this.#formals(undefined);
          let arg: string | undefined;
          if ((tok.kind as number) === t.T_AT) {
            tok.next();
            if ((tok.kind as number) === t.T_ID) {
              const name = this.#idText();
              arg = name;
              if (formals.formals.some((formal) => formal.name === name)) this.#duplicateFormal(name, tok.from);
              tok.next();
            } else this.#unexpected("ID");
          }
          this.#expect(t.T_COLON);
          return this.#lambda(from, arg, formals);
        }
        return this.#operators(from);
      case t.T_ASSERT: {
        tok.next();
        const condition = this.#expr();
        this.#expect(t.T_SEMI);
        const body = this.#expr();
        return { kind: "assert", condition, body, from, to: tok.lastTo };
      }
      case t.T_WITH: {
        tok.next();
        const namespace = this.#expr();
        this.#expect(t.T_SEMI);
        const body = this.#expr();
        return { kind: "with", namespace, body, from, to: tok.lastTo };
      }
      case t.T_LET: {
        tok.next();
        // `let { … }` is the legacy form, an ordinary operand.
        if ((tok.kind as number) === t.T_LBRACE) {
          tok.seek(from);
          return this.#operators(from);
        }
        const attrs = this.#bindings(from, false, t.T_IN);
        for (const dynamic of attrs.dynamic) {
          this.#report("dynamic", "dynamic attributes not allowed in let", dynamic.pos, dynamic.pos);
        }
        this.#expect(t.T_IN);
        const body = this.#expr();
        return { kind: "let", attrs, body, from, to: tok.lastTo };
      }
      case t.T_IF: {
        tok.next();
        const condition = this.#expr();
        this.#expect(t.T_THEN);
        const consequent = this.#expr();
        this.#expect(t.T_ELSE);
        const alternative = this.#expr();
        return { kind: "if", condition, consequent, alternative, from, to: tok.lastTo };
      }
      default:
        return this.#operators(from);
    }
  }

  #lambda(from: number, arg: string | undefined, formals: Formals | undefined): Expr {
    const body = this.#expr();
    return { kind: "lambda", arg, formals, body, from, to: this.#tok.lastTo };
  }

  /** Whether the `{` here opens formals: decided by at most the three tokens behind it, as the grammar has it. */
  #looksLikeFormals(): boolean {
    const tok = this.#tok;
    const from = tok.from;
    tok.next();
    let formals = false;
    if (tok.kind === t.T_ELLIPSIS) formals = true;
    else if (tok.kind === t.T_ID) {
      tok.next();
      if (tok.kind === t.T_COMMA || tok.kind === t.T_QUESTION) formals = true;
      else if (tok.kind === t.T_RBRACE) {
        tok.next();
        formals = tok.kind === t.T_COLON || tok.kind === t.T_AT;
      }
    } else if (tok.kind === t.T_RBRACE) {
      tok.next();
      formals = tok.kind === t.T_COLON || tok.kind === t.T_AT;
    }
    tok.seek(from);
    return formals;
  }

  #duplicateFormal(name: string, pos: number): void {
    this.#report("duplicate", `duplicate formal function argument '${name}'`, pos, pos + name.length);
  }

  #formals(arg: string | undefined): Formals {
    const tok = this.#tok;
    const formals: Formal[] = [];
    const seen = new Set<string>();
    let ellipsis = false;
    this.#expect(t.T_LBRACE);
    while (tok.kind !== t.T_RBRACE) {
      if (tok.kind === t.T_ELLIPSIS) {
        ellipsis = true;
        tok.next();
        break;
      }
      if (tok.kind !== t.T_ID) {
        this.#unexpected("ID");
        break;
      }
      const name = this.#idText();
      const pos = tok.from;
      if (seen.has(name) || name === arg) this.#duplicateFormal(name, pos);
      seen.add(name);
      tok.next();
      let fallback: Expr | undefined;
      if ((tok.kind as number) === t.T_QUESTION) {
        tok.next();
        fallback = this.#expr();
      }
      formals.push({ name, pos, fallback });
      if ((tok.kind as number) !== t.T_COMMA) break;
      tok.next();
    }
    this.#expect(t.T_RBRACE);
    return { formals, ellipsis };
  }

  /** The pipes, which bind weakest and must not be mixed. */
  #operators(from: number): Expr {
    const tok = this.#tok;
    let left = this.#binary(0, from);
    if (tok.kind !== t.T_PIPE_INTO && tok.kind !== t.T_PIPE_FROM) return left;
    if (this.#options.pipeOperators !== true) {
      this.#report("feature", "experimental Nix feature 'pipe-operators' is disabled", tok.from, tok.to);
    }
    const kind = tok.kind;
    if (kind === t.T_PIPE_INTO) {
      while (tok.kind === t.T_PIPE_INTO) {
        const pos = tok.from;
        tok.next();
        const right = this.#binary(0, tok.from);
        left = { kind: "binary", op: "|>", left, right, pos, from, to: tok.lastTo };
      }
    } else {
      const operands = [left];
      const positions: number[] = [];
      while (tok.kind === t.T_PIPE_FROM) {
        positions.push(tok.from);
        tok.next();
        operands.push(this.#binary(0, tok.from));
      }
      left = operands[operands.length - 1];
      for (let i = positions.length - 1; i >= 0; i--) {
        left = { kind: "binary", op: "<|", left: operands[i], right: left, pos: positions[i], from: operands[i].from, to: left.to };
      }
    }
    if ((tok.kind as number) === t.T_PIPE_FROM || (tok.kind as number) === t.T_PIPE_INTO) this.#unexpected();
    return left;
  }

  /** Operators that bind at least as strongly as `power`. */
  #binary(power: number, from: number): Expr {
    const tok = this.#tok;
    let left: Expr;
    if (tok.kind === t.T_NOT) {
      tok.next();
      const operand = this.#nested(POWER_NOT);
      left = { kind: "not", operand, from, to: tok.lastTo };
    } else left = this.#unary();
    for (;;) {
      const kind = tok.kind;
      if (kind === t.T_QUESTION) {
        if (power > POWER_HAS_ATTR) return left;
        tok.next();
        const path = this.#attrPath();
        left = { kind: "has-attr", subject: left, path, from, to: tok.lastTo };
        if ((tok.kind as number) === t.T_QUESTION) this.#unexpected();
        continue;
      }
      const own = POWER[kind];
      if (own === 0 || own < power) return left;
      const pos = tok.from;
      const assoc = ASSOC[kind];
      tok.next();
      const right = this.#nested(assoc === RIGHT ? own : own + 1);
      left = { kind: "binary", op: OPERATOR[kind], left, right, pos, from, to: tok.lastTo };
      if (assoc === NON_ASSOC && POWER[tok.kind] === own) this.#unexpected();
    }
  }

  #nested(power: number): Expr {
    if (++this.#depth > NESTING_MAX) {
      this.#depth--;
      return this.#error("limit", `expressions nest deeper than ${NESTING_MAX}`, this.#tok.from, this.#tok.to);
    }
    const expr = this.#binary(power, this.#tok.from);
    this.#depth--;
    return expr;
  }

  #unary(): Expr {
    const tok = this.#tok;
    if (tok.kind !== t.T_MINUS) return this.#apply();
    const from = tok.from;
    const signs: number[] = [];
    while (tok.kind === t.T_MINUS) {
      signs.push(tok.from);
      tok.next();
    }
    let operand = this.#apply();
    for (let i = signs.length - 1; i >= 0; i--) operand = { kind: "negate", operand, from: i === 0 ? from : signs[i], to: tok.lastTo };
    return operand;
  }

  #apply(): Expr {
    const tok = this.#tok;
    const from = tok.from;
    const callee = this.#select();
    if (!startsOperand(tok.kind)) return callee;
    const args: Expr[] = [];
    while (startsOperand(tok.kind)) args.push(this.#select());
    return { kind: "apply", callee, args, from, to: tok.lastTo };
  }

  #select(): Expr {
    const tok = this.#tok;
    const from = tok.from;
    const subject = this.#simple();
    if (tok.kind === t.T_DOT) {
      tok.next();
      const path = this.#attrPath();
      let fallback: Expr | undefined;
      if ((tok.kind as number) === t.T_OR) {
        tok.next();
        fallback = this.#select();
      }
      return { kind: "select", subject, path, fallback, from, to: tok.lastTo };
    }
    if (tok.kind === t.T_OR) {
      // `map or [ … ]`: here `or` is the name of a variable, a leftover of the old grammar.
      const or: Expr = { kind: "var", name: "or", from: tok.from, to: tok.to };
      tok.next();
      return { kind: "apply", callee: subject, args: [or], from, to: tok.lastTo };
    }
    return subject;
  }

  #simple(): Expr {
    const tok = this.#tok;
    const { kind, from, to } = tok;
    switch (kind) {
      case t.T_ID: {
        const name = this.#idText();
        tok.next();
        return name === "__curPos" ? { kind: "cur-pos", from, to } : { kind: "var", name, from, to };
      }
      case t.T_INT: {
        const text = tok.text();
        tok.next();
        return this.#int(text, from, to);
      }
      case t.T_FLOAT: {
        const value = Number(tok.text());
        tok.next();
        return Number.isFinite(value) ? { kind: "float", value, from, to } : this.#error("number", `invalid float '${this.#source.slice(from, to)}'`, from, to);
      }
      case t.T_STRING: {
        const parts = this.#stringParts();
        return this.#stringOf(parts, from);
      }
      case t.T_IND_STRING: {
        const parts = stripIndentation(this.#indentedParts());
        return this.#stringOf(parts, from);
      }
      case t.T_PATH:
        return this.#path();
      case t.T_SEARCH_PATH:
        tok.next();
        return { kind: "search-path", text: this.#source.slice(from + 1, to - 1), from, to };
      case t.T_URI: {
        const value = tok.text();
        tok.next();
        return { kind: "string", value, url: true, from, to };
      }
      case t.T_LPAREN: {
        tok.next();
        const inner = this.#expr();
        this.#expect(t.T_RPAREN);
        return inner;
      }
      case t.T_LET: {
        tok.next();
        if ((tok.kind as number) !== t.T_LBRACE) break;
        tok.next();
        const attrs = this.#bindings(from, true, t.T_RBRACE);
        this.#expect(t.T_RBRACE);
        const path = [{ name: this.#intern("body"), expr: undefined, from, to: from }];
        return { kind: "select", subject: attrs, path, fallback: undefined, from, to: tok.lastTo };
      }
      case t.T_REC:
      case t.T_LBRACE: {
        if (kind === t.T_REC) {
          tok.next();
          if ((tok.kind as number) !== t.T_LBRACE) break;
        }
        tok.next();
        const attrs = this.#bindings(from, kind === t.T_REC, t.T_RBRACE);
        this.#expect(t.T_RBRACE);
        attrs.to = tok.lastTo;
        return attrs;
      }
      case t.T_LBRACKET: {
        tok.next();
        const items: Expr[] = [];
        while (startsOperand(tok.kind)) items.push(this.#select());
        this.#expect(t.T_RBRACKET);
        return { kind: "list", items, from, to: tok.lastTo };
      }
    }
    this.#unexpected();
    // Step over what cannot start anything, unless someone outside waits for it.
    if (kind === t.T_INVALID || (POWER[kind] !== 0 && kind === tok.kind)) tok.next();
    return { kind: "error", from, to };
  }

  #int(text: string, from: number, to: number): Expr {
    if (text.length < 16) return { kind: "int", value: Number(text), from, to };
    const value = BigInt(text);
    if (value > 0x7fff_ffff_ffff_ffffn) return this.#error("number", `invalid integer '${text}'`, from, to);
    return { kind: "int", value: value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value, from, to };
  }

  // Strings and paths: what follows the opening token is scanned here.

  #stringOf(parts: Expr[], from: number): Expr {
    const to = this.#tok.lastTo;
    if (parts.length === 0) return { kind: "string", value: "", url: false, from, to };
    if (parts.length === 1 && parts[0].kind === "string") return { kind: "string", value: parts[0].value, url: false, from, to };
    return { kind: "interpolation", parts, path: false, from, to };
  }

  /** From just after the `${` at `at`: the expression, and where the text goes on after its `}`. */
  #interpolation(at: number): { expr: Expr; end: number } {
    const tok = this.#tok;
    tok.seek(at + 2);
    const expr = this.#expr();
    const end = tok.to;
    if ((tok.kind as number) !== t.T_RBRACE) {
      this.#unexpected("'}'");
      return { expr, end: this.#source.length };
    }
    return { expr, end };
  }

  #unterminated(from: number): void {
    const end = this.#source.length;
    this.#report("syntax", "syntax error, unexpected end of file, expecting '\"'", from, end);
  }

  #stringParts(): Expr[] {
    const source = this.#source;
    const open = this.#tok.from;
    const parts: Expr[] = [];
    let at = this.#tok.to;
    let run = at;
    let text = "";
    let textFrom = at;
    const flush = (to: number) => {
      if (text !== "") appendText(parts, text, textFrom, to);
      text = "";
    };
    for (;;) {
      const c = at < source.length ? source.charCodeAt(at) : -1;
      if (c === 34 || c === -1) {
        text += normalizeLineEnds(source.slice(run, at));
        flush(at);
        if (c === -1) this.#unterminated(open);
        this.#tok.seek(c === -1 ? at : at + 1);
        return parts;
      }
      if (c === 92) {
        text += normalizeLineEnds(source.slice(run, at));
        if (at + 1 < source.length) text += unescape(source.charCodeAt(at + 1));
        at += 2;
        run = at;
      } else if (c === 36) {
        const d = at + 1 < source.length ? source.charCodeAt(at + 1) : -1;
        if (d === 123) {
          text += normalizeLineEnds(source.slice(run, at));
          flush(at);
          const { expr, end } = this.#interpolation(at);
          parts.push(expr);
          at = end;
          run = at;
          textFrom = at;
        } else at += d === 34 || d === 92 || d === -1 ? 1 : 2;
      } else at++;
    }
  }

  #indentedParts(): IndentedPart[] {
    const source = this.#source;
    const open = this.#tok.from;
    const parts: IndentedPart[] = [];
    let at = this.#tok.to;
    // A first line of nothing but spaces does not belong to the text.
    let first = at;
    while (source.charCodeAt(first) === 32) first++;
    if (source.charCodeAt(first) === 10) at = first + 1;
    let run = at;
    const flush = (to: number) => {
      if (to > run) parts.push({ text: source.slice(run, to), indentation: true, from: run, to });
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
        this.#unterminated(open);
        this.#tok.seek(at);
        return parts;
      }
      const d = source.charCodeAt(at + 1);
      if (c === 36) {
        if (d === 123) {
          flush(at);
          const { expr, end } = this.#interpolation(at);
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
            this.#tok.seek(at + 2);
            return parts;
          }
        } else if (d === 36) escape("'", 1);
        else at += 2;
      } else at++;
      if (at > source.length) at = source.length;
    }
  }

  #path(): Expr {
    const tok = this.#tok;
    const source = this.#source;
    const from = tok.from;
    let at = endOfPathPart(source, tok.to);
    const first: Expr = { kind: "path", text: source.slice(from, at), from, to: at };
    const parts: Expr[] = [first];
    let literalEnd = at;
    while (source.charCodeAt(at) === 36 && source.charCodeAt(at + 1) === 123) {
      const { expr, end } = this.#interpolation(at);
      parts.push(expr);
      at = endOfPathPart(source, end);
      literalEnd = at > end ? at : -1;
      if (at > end) appendText(parts, source.slice(end, at), end, at);
    }
    tok.seek(at);
    if (literalEnd > 0 && source.charCodeAt(literalEnd - 1) === 47) {
      return this.#error("path", "path has a trailing slash", from, at);
    }
    return parts.length === 1 ? first : { kind: "interpolation", parts, path: true, from, to: at };
  }

  // Attribute sets

  #attrPath(): AttrName[] {
    const path: AttrName[] = [];
    for (;;) {
      const step = this.#attrName();
      if (step !== undefined) path.push(step);
      if (step === undefined || this.#tok.kind !== t.T_DOT) break;
      this.#tok.next();
    }
    if (path.length === 0) path.push({ name: undefined, expr: { kind: "error", from: this.#tok.from, to: this.#tok.from }, from: this.#tok.from, to: this.#tok.from });
    return path;
  }

  #attrName(): AttrName | undefined {
    const tok = this.#tok;
    const { kind, from, to } = tok;
    if (kind === t.T_ID || kind === t.T_OR) {
      const name = this.#idText();
      tok.next();
      return { name, expr: undefined, from, to };
    }
    if (kind === t.T_STRING) {
      const expr = this.#stringOf(this.#stringParts(), from);
      return expr.kind === "string" ? { name: this.#intern(expr.value), expr: undefined, from, to: expr.to } : { name: undefined, expr, from, to: expr.to };
    }
    if (kind === t.T_DOLLAR_BRACE) {
      tok.next();
      const expr = this.#expr();
      this.#expect(t.T_RBRACE);
      // `${"a"}` is as static as `a`.
      if (expr.kind === "string") return { name: this.#intern(expr.value), expr: undefined, from, to: tok.lastTo };
      return { name: undefined, expr, from, to: tok.lastTo };
    }
    this.#unexpected();
    return undefined;
  }

  /** Bindings up to, not including, the token `end`. */
  #bindings(from: number, recursive: boolean, end: number): { -readonly [K in keyof AttrsExpr]: AttrsExpr[K] } {
    const tok = this.#tok;
    const attrs = emptyAttrs(from, recursive);
    while (tok.kind !== end && tok.kind !== t.T_EOF) {
      const start = tok.from;
      if (tok.kind === t.T_INHERIT) this.#inherit(attrs);
      else if (tok.kind === t.T_ID || tok.kind === t.T_OR || tok.kind === t.T_STRING || tok.kind === t.T_DOLLAR_BRACE) {
        const path = this.#attrPath();
        this.#expect(t.T_ASSIGN);
        const value = this.#expr();
        addBinding(attrs, path, value, start, this.#duplicate);
        if (!this.#expect(t.T_SEMI)) this.#recover(end);
      } else {
        this.#unexpected();
        this.#recover(end);
      }
      if (tok.from === start) break;
    }
    attrs.to = tok.lastTo;
    return attrs;
  }

  /** Skips to just after the next `;`, or to what may close the set. */
  #recover(end: number): void {
    const tok = this.#tok;
    while (tok.kind !== t.T_EOF && tok.kind !== end && tok.kind !== t.T_RBRACE && tok.kind !== t.T_RPAREN && tok.kind !== t.T_IN) {
      const semi = tok.kind === t.T_SEMI;
      tok.next();
      if (semi) return;
    }
  }

  #inherit(attrs: AttrsExpr): void {
    const tok = this.#tok;
    tok.next();
    let source: number | undefined;
    if (tok.kind === t.T_LPAREN) {
      tok.next();
      source = attrs.sources.push(this.#expr()) - 1;
      this.#expect(t.T_RPAREN);
    }
    while (tok.kind !== t.T_SEMI) {
      const step = this.#attrName();
      if (step === undefined) return this.#recover(t.T_RBRACE);
      const { from, to, name } = step;
      if (name === undefined) {
        this.#report("dynamic", "dynamic attributes not allowed in inherit", from, to);
        continue;
      }
      const def =
        source === undefined
          ? ({ kind: "inherit", pos: from, value: { kind: "var", name, from, to } } as const)
          : ({ kind: "inherit-from", pos: from, source } as const);
      addDef(attrs, name, def, () => name, this.#duplicate);
    }
    tok.next();
  }
}

/** Whether a token can start an operand of an application or a list item. */
function startsOperand(kind: number): boolean {
  switch (kind) {
    case t.T_ID:
    case t.T_INT:
    case t.T_FLOAT:
    case t.T_STRING:
    case t.T_IND_STRING:
    case t.T_PATH:
    case t.T_SEARCH_PATH:
    case t.T_URI:
    case t.T_LPAREN:
    case t.T_REC:
    case t.T_LET:
    case t.T_LBRACE:
    case t.T_LBRACKET:
      return true;
    default:
      return false;
  }
}
