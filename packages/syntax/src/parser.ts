/*
The parser: recursive descent, with a precedence loop for the operators, over a tokenizer that it drives. It always yields a tree: where the
source makes no sense it records a diagnostic, leaves an ErrorExpr and goes on at the next place that could be sound.

The grammar is C++ Nix's parser.y (2.35). What Nix does while parsing (merging attribute sets, stripping indented strings) is
done here too, in attrs-builder.ts and strings.ts; literals.ts scans strings and paths.
*/

import type { ByteString } from "@firn/base";
import { addBinding, addDef, emptyAttrs } from "./attrs-builder.ts";
import type { DiagnosticCode } from "./diagnostic.ts";
import { Findings } from "./findings.ts";
import { indentedParts, intLiteral, type LiteralHost, pathLiteral, stringOf, stringParts } from "./literals.ts";
import { stripIndentation } from "./strings.ts";
import { ASSOC, NON_ASSOC, OPERATOR, POWER, POWER_HAS_ATTR, POWER_NOT, RIGHT } from "./operators.ts";
import { looksLikeFormals, startsOperand } from "./lookahead.ts";
import { NESTING_MAX, type ParseOptions, SOURCE_BYTES_MAX } from "./options.ts";
import * as t from "./token.ts";
import { Tokenizer } from "./tokenizer.ts";
import type { AttrName, AttrsExpr, Expr, Formal, Formals } from "./tree.ts";

/** One parse of one source. */
export class Parser {
  readonly findings: Findings;
  readonly #source: ByteString;
  readonly #tok: Tokenizer;
  readonly #options: ParseOptions;
  readonly #names = new Map<string, string>();
  readonly #literals: LiteralHost;
  #depth = 0;
  /** The last `f or`, where it still counts. */
  #cursedOr: Expr | undefined;

  constructor(source: ByteString, options: ParseOptions) {
    this.#source = source;
    this.findings = new Findings(source, options);
    this.#tok = new Tokenizer(source);
    this.#options = options;
    this.#literals = {
      source,
      tok: this.#tok,
      interpolation: (at) => this.#interpolation(at),
      findings: this.findings,
      openings: new Map(),
    };
  }

  wholeSource(): Expr {
    if (this.#source.length > SOURCE_BYTES_MAX) {
      return this.#error("limit", `the source is longer than ${SOURCE_BYTES_MAX} bytes`, 0, 0);
    }
    this.#tok.next();
    const tree = this.#expr();
    if (!this.#at(t.T_EOF)) this.#unexpected("end of file");
    return tree;
  }

  /** Whether the current token is of this kind. */
  #at(kind: number): boolean {
    return this.#tok.kind === kind;
  }

  // Diagnostics

  #report(code: DiagnosticCode, message: string, from: number, to: number): void {
    this.findings.report(code, message, from, to);
  }

  #error(code: DiagnosticCode, message: string, from: number, to: number): Expr {
    this.#report(code, message, from, to);
    return { kind: "error", from, to };
  }

  #unexpected(expected?: string): void {
    const { kind, from, to } = this.#tok;
    const isHome = kind === t.T_PATH && this.#source.charCodeAt(from) === 126;
    const name = isHome ? "'~/…' path" : t.TOKEN_NAMES[kind];
    const expecting = expected === undefined || expected === "" ? "" : `, expecting ${expected}`;
    // One place that makes no sense is reported once, however many rules give up on it.
    if (this.findings.diagnostics.at(-1)?.from === from && this.findings.diagnostics.at(-1)?.code === "syntax") return;
    this.#report("syntax", `syntax error, unexpected ${name}${expecting}`, from, to);
  }

  /** Consumes a token of this kind, or reports that it is missing. */
  #expect(kind: number): boolean {
    if (this.#at(kind)) {
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
          if (this.#at(t.T_COLON)) {
            tok.next();
            return this.#lambda(from, name, undefined);
          }
          if (this.#at(t.T_AT)) {
            tok.next();
            const formals = this.#formals();
            this.#expect(t.T_COLON);
            return this.#lambda(from, name, formals);
          }
          tok.seek(from);
        }
        return this.#operators(from);
      }
      case t.T_LBRACE:
        if (looksLikeFormals(tok)) {
          const formals = this.#formals();
          let arg: string | undefined;
          if (this.#at(t.T_AT)) {
            tok.next();
            if (this.#at(t.T_ID)) {
              const name = this.#idText();
              arg = name;
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
        if (this.#at(t.T_LBRACE)) {
          tok.seek(from);
          return this.#operators(from);
        }
        const attrs = this.#bindings(from, false, t.T_IN);
        if (attrs.dynamic.length > 0)
          this.#report("dynamic", "dynamic attributes not allowed in let", from, attrs.dynamic[0].pos);
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
    if (arg !== undefined && formals?.formals.some((formal) => formal.name === arg))
      this.findings.duplicateFormal(arg, from);
    const body = this.#expr();
    return { kind: "lambda", arg, formals, body, from, to: this.#tok.lastTo };
  }

  #formals(): Formals {
    const tok = this.#tok;
    const formals: Formal[] = [];
    const seen = new Set<string>();
    let ellipsis = false;
    this.#expect(t.T_LBRACE);
    while (!this.#at(t.T_RBRACE)) {
      if (this.#at(t.T_ELLIPSIS)) {
        ellipsis = true;
        tok.next();
        break;
      }
      if (!this.#at(t.T_ID)) {
        this.#unexpected("identifier");
        break;
      }
      const name = this.#idText();
      const pos = tok.from;
      if (seen.has(name)) this.findings.duplicateFormal(name, pos);
      seen.add(name);
      tok.next();
      let fallback: Expr | undefined;
      if (this.#at(t.T_QUESTION)) {
        tok.next();
        fallback = this.#expr();
      }
      formals.push({ name, pos, fallback });
      if (!this.#at(t.T_COMMA)) break;
      tok.next();
    }
    if (this.#at(t.T_RBRACE)) tok.next();
    else this.#unexpected(ellipsis ? "'}'" : "'}' or ','");
    return { formals, ellipsis };
  }

  /** The pipes, which bind weakest and must not be mixed. */
  #operators(from: number): Expr {
    const tok = this.#tok;
    let left = this.#binary(0, from);
    if (!this.#at(t.T_PIPE_INTO) && !this.#at(t.T_PIPE_FROM)) return left;
    if (this.#options.pipeOperators !== true) {
      this.findings.pipesAreOff(tok.from, tok.to);
    }
    const kind = tok.kind;
    if (kind === t.T_PIPE_INTO) {
      while (this.#at(t.T_PIPE_INTO)) {
        const pos = tok.from;
        tok.next();
        const rightFrom = tok.from;
        const right = this.#binary(0, rightFrom);
        left = { kind: "binary", op: "|>", left, right, pos, rightFrom, from, to: tok.lastTo };
      }
    } else {
      const operands = [left];
      const positions: number[] = [];
      while (this.#at(t.T_PIPE_FROM)) {
        positions.push(tok.from);
        tok.next();
        operands.push(this.#binary(0, tok.from));
      }
      left = operands[operands.length - 1];
      for (let i = positions.length - 1; i >= 0; i--) {
        left = {
          kind: "binary",
          op: "<|",
          left: operands[i],
          right: left,
          pos: positions[i],
          rightFrom: left.from,
          from: operands[i].from,
          to: left.to,
        };
      }
    }
    if (this.#at(t.T_PIPE_FROM) || this.#at(t.T_PIPE_INTO)) this.#unexpected();
    return left;
  }

  /** Operators that bind at least as strongly as `power`. */
  #binary(power: number, from: number): Expr {
    const tok = this.#tok;
    let left: Expr;
    if (this.#at(t.T_NOT)) {
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
        continue;
      }
      const own = POWER[kind];
      if (own === 0 || own < power) return left;
      const pos = tok.from;
      const assoc = ASSOC[kind];
      tok.next();
      const rightFrom = tok.from;
      const right = this.#nested(assoc === RIGHT ? own : own + 1);
      left = { kind: "binary", op: OPERATOR[kind], left, right, pos, rightFrom, from, to: tok.lastTo };
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
    if (!this.#at(t.T_MINUS)) return this.#apply();
    const from = tok.from;
    const signs: number[] = [];
    while (this.#at(t.T_MINUS)) {
      signs.push(tok.from);
      tok.next();
    }
    // `-!a` is there in the grammar; the `!` then takes all that binds stronger than itself.
    let operand = this.#at(t.T_NOT) ? this.#nested(POWER_HAS_ATTR + 1) : this.#apply();
    for (let i = signs.length - 1; i >= 0; i--)
      operand = { kind: "negate", operand, from: i === 0 ? from : signs[i], to: tok.lastTo };
    return operand;
  }

  #apply(): Expr {
    const tok = this.#tok;
    const from = tok.from;
    const callee = this.#select();
    this.#cursedOr = undefined;
    if (!startsOperand(tok.kind)) return callee;
    const args: Expr[] = [];
    while (startsOperand(tok.kind)) args.push(this.#operand());
    const to = tok.lastTo;
    // `(f a) b` is one call of f, as in C++ Nix.
    if (callee.kind === "apply") return { ...callee, args: [...callee.args, ...args], to };
    return { kind: "apply", callee, args, from, to };
  }

  #select(): Expr {
    const tok = this.#tok;
    const from = tok.from;
    const subject = this.#simple();
    if (this.#at(t.T_DOT)) {
      tok.next();
      const path = this.#attrPath();
      let fallback: Expr | undefined;
      if (this.#at(t.T_OR)) {
        tok.next();
        fallback = this.#operand();
      }
      return { kind: "select", subject, path, fallback, from, to: tok.lastTo };
    }
    if (this.#at(t.T_OR)) {
      // `map or [ … ]`: here `or` is the name of a variable, a leftover of the old grammar.
      const or: Expr = { kind: "var", name: "or", from: tok.from, to: tok.to };
      tok.next();
      this.#cursedOr = { kind: "apply", callee: subject, args: [or], from, to: tok.lastTo };
      return this.#cursedOr;
    }
    return subject;
  }

  /** An operand among others, where `f or` is about to change its meaning. */
  #operand(): Expr {
    const expr = this.#select();
    if (expr === this.#cursedOr) this.findings.cursedOr(expr.from, expr.to);
    return expr;
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
        return intLiteral(text, from, to) ?? this.#error("number", `invalid integer '${text}'`, from, to);
      }
      case t.T_FLOAT: {
        const value = Number(tok.text());
        tok.next();
        return Number.isFinite(value)
          ? { kind: "float", value, from, to }
          : this.#error("number", `invalid float '${this.#source.slice(from, to)}'`, from, to);
      }
      case t.T_STRING: {
        const parts = stringParts(this.#literals);
        return stringOf(this.#literals, parts, from, tok.lastTo);
      }
      case t.T_IND_STRING: {
        const parts = stripIndentation(indentedParts(this.#literals));
        return stringOf(this.#literals, parts, from, tok.lastTo);
      }
      case t.T_PATH:
        return pathLiteral(this.#literals);
      case t.T_SEARCH_PATH:
        tok.next();
        return { kind: "search-path", text: this.#source.slice(from + 1, to - 1), from, to };
      case t.T_URI: {
        const value = tok.text();
        tok.next();
        const message = (fatal: boolean) =>
          `URL literals are ${fatal ? "disallowed" : "discouraged"}. Consider using a string literal "${value}" instead`;
        this.findings.lint("urlLiterals", message, from, to);
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
        if (!this.#at(t.T_LBRACE)) break;
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
          if (!this.#at(t.T_LBRACE)) break;
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
        while (startsOperand(tok.kind)) items.push(this.#operand());
        this.#expect(t.T_RBRACKET);
        return { kind: "list", items, from, to: tok.lastTo };
      }
    }
    this.#unexpected();
    // Step over what cannot start anything, unless someone outside waits for it.
    if (kind === t.T_INVALID || (POWER[kind] !== 0 && kind === tok.kind)) tok.next();
    return { kind: "error", from, to };
  }

  /** From just after the `${` at `at`: the expression, and where the text goes on after its `}`. */
  #interpolation(at: number): { expr: Expr; end: number } {
    const tok = this.#tok;
    tok.seek(at + 2);
    const expr = this.#expr();
    const end = tok.to;
    if (!this.#at(t.T_RBRACE)) {
      this.#unexpected("'}'");
      return { expr, end: this.#source.length };
    }
    return { expr, end };
  }

  // Attribute sets

  #attrPath(): AttrName[] {
    const path: AttrName[] = [];
    for (;;) {
      const step = this.#attrName();
      if (step !== undefined) path.push(step);
      if (step === undefined || !this.#at(t.T_DOT)) break;
      this.#tok.next();
    }
    if (path.length === 0)
      path.push({
        name: undefined,
        expr: { kind: "error", from: this.#tok.from, to: this.#tok.from },
        from: this.#tok.from,
        to: this.#tok.from,
      });
    return path;
  }

  #attrName(expected = t.ATTR_NAME_TOKENS): AttrName | undefined {
    const tok = this.#tok;
    const { kind, from, to } = tok;
    if (kind === t.T_ID || kind === t.T_OR) {
      const name = this.#idText();
      tok.next();
      return { name, expr: undefined, from, to };
    }
    if (kind === t.T_STRING) {
      const parts = stringParts(this.#literals);
      const expr = stringOf(this.#literals, parts, from, tok.lastTo);
      // `"${"a"}"` is dynamic, although its text is known: what it begins with is not text.
      const isText = parts.length === 0 || parts[0].from === from + 1;
      return expr.kind === "string" && isText
        ? { name: this.#intern(expr.value), expr: undefined, from, to: expr.to }
        : { name: undefined, expr, from, to: expr.to };
    }
    if (kind === t.T_DOLLAR_BRACE) {
      tok.next();
      const expr = this.#expr();
      this.#expect(t.T_RBRACE);
      // `${"a"}` is as static as `a`.
      if (expr.kind === "string") return { name: this.#intern(expr.value), expr: undefined, from, to: tok.lastTo };
      return { name: undefined, expr, from, to: tok.lastTo };
    }
    this.#unexpected(expected);
    return undefined;
  }

  /** Bindings up to, not including, the token `end`. */
  #bindings(from: number, recursive: boolean, end: number): { -readonly [K in keyof AttrsExpr]: AttrsExpr[K] } {
    const tok = this.#tok;
    const attrs = emptyAttrs(from, recursive);
    while (!this.#at(end) && !this.#at(t.T_EOF)) {
      const start = tok.from;
      if (this.#at(t.T_INHERIT)) this.#inherit(attrs);
      else if (this.#at(t.T_ID) || this.#at(t.T_OR) || this.#at(t.T_STRING) || this.#at(t.T_DOLLAR_BRACE)) {
        const path = this.#attrPath();
        if (this.#at(t.T_ASSIGN)) tok.next();
        else this.#unexpected("'.' or '='");
        const value = this.#expr();
        addBinding(attrs, path, value, start, this.findings.duplicate);
        if (!this.#expect(t.T_SEMI)) this.#recover(end);
      } else {
        this.#unexpected("'inherit'");
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
    while (
      !this.#at(t.T_EOF) &&
      !this.#at(end) &&
      !this.#at(t.T_RBRACE) &&
      !this.#at(t.T_RPAREN) &&
      !this.#at(t.T_IN)
    ) {
      const semi = this.#at(t.T_SEMI);
      tok.next();
      if (semi) return;
    }
  }

  #inherit(attrs: AttrsExpr): void {
    const tok = this.#tok;
    tok.next();
    let source: number | undefined;
    if (this.#at(t.T_LPAREN)) {
      tok.next();
      source = attrs.sources.push(this.#expr()) - 1;
      this.#expect(t.T_RPAREN);
    }
    while (!this.#at(t.T_SEMI)) {
      const step = this.#attrName("");
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
      addDef(attrs, name, def, () => name, this.findings.duplicate);
    }
    tok.next();
  }
}
