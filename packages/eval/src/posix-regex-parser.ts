/*
POSIX extended regular expressions over bytes, from text to tree. What is accepted is what libstdc++'s `std::regex::extended` accepts,
which C++ Nix uses: empty alternatives and `a**` are fine, a backslash stands only before one of `. [ \ ( ) * + ? { | ^ $`, a quantifier
needs an atom before it, and bytes in ranges compare as signed. There are no lazy quantifiers and no back references.
*/

import type { ByteString } from "@firn/base";

/** Unbounded `max` of a repetition. */
export const UNBOUNDED = -1;

/** A set of bytes: 256 entries, 1 for members. */
export type ByteSet = Uint8Array;

/** `nullable`: it can match without consuming a byte. */
export type RegexNode =
  | { readonly kind: "byte"; readonly byte: number; readonly nullable: false }
  | { readonly kind: "set"; readonly set: ByteSet; readonly nullable: false }
  | { readonly kind: "start" | "end"; readonly nullable: true }
  | { readonly kind: "sequence"; readonly items: readonly RegexNode[]; readonly nullable: boolean }
  | { readonly kind: "choice"; readonly branches: readonly RegexNode[]; readonly nullable: boolean }
  | { readonly kind: "group"; readonly index: number; readonly body: RegexNode; readonly nullable: boolean }
  | {
      readonly kind: "repeat";
      readonly body: RegexNode;
      readonly min: number;
      readonly max: number;
      readonly nullable: boolean;
    };

export type ParsedRegex = { readonly root: RegexNode; readonly groups: number };

/** Thrown by the parser and the compiler. `tooLarge`: the pattern is right but passes a limit. */
export class RegexFault extends Error {
  readonly tooLarge: boolean;
  constructor(message: string, tooLarge: boolean) {
    super(message);
    this.tooLarge = tooLarge;
  }
}

/** Parentheses nest at most so deep. */
const NESTING_MAX = 500;
/** The greatest number in `{m,n}`; anything near it would pass the limit of instructions anyway. */
const COUNT_MAX = 100_000;

const SPECIAL = ".[\\()*+?{|^$";

type ClassTest = (byte: number) => boolean;
const isDigit: ClassTest = (c) => c >= 48 && c <= 57;
const isUpper: ClassTest = (c) => c >= 65 && c <= 90;
const isLower: ClassTest = (c) => c >= 97 && c <= 122;
const isAlpha: ClassTest = (c) => isUpper(c) || isLower(c);
const isAlnum: ClassTest = (c) => isAlpha(c) || isDigit(c);
const isSpace: ClassTest = (c) => c === 32 || (c >= 9 && c <= 13);

/** `d`, `s` and `w` are libstdc++'s own. */
const CLASSES = new Map<string, ClassTest>([
  ["alnum", isAlnum],
  ["alpha", isAlpha],
  ["blank", (c) => c === 32 || c === 9],
  ["cntrl", (c) => c < 32 || c === 127],
  ["digit", isDigit],
  ["d", isDigit],
  ["graph", (c) => c > 32 && c < 127],
  ["lower", isLower],
  ["print", (c) => c >= 32 && c < 127],
  ["punct", (c) => c > 32 && c < 127 && !isAlnum(c)],
  ["space", isSpace],
  ["s", isSpace],
  ["upper", isUpper],
  ["w", (c) => isAlnum(c) || c === 95],
  ["xdigit", (c) => isDigit(c) || (c >= 65 && c <= 70) || (c >= 97 && c <= 102)],
]);

const ANY: ByteSet = new Uint8Array(256).fill(1);

/** Parses a pattern or throws RegexFault. */
export function parsePosixRegex(pattern: ByteString): ParsedRegex {
  const parser = new Parser(pattern);
  const root = parser.choice(0);
  if (!parser.atEnd) throw new RegexFault("unexpected character", false);
  return { root, groups: parser.groups };
}

class Parser {
  readonly #text: ByteString;
  #at = 0;
  groups = 0;

  constructor(text: ByteString) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  choice(depth: number): RegexNode {
    const branches = [this.#sequence(depth)];
    while (this.#take("|")) branches.push(this.#sequence(depth));
    if (branches.length === 1) return branches[0];
    return { kind: "choice", branches, nullable: branches.some((branch) => branch.nullable) };
  }

  #sequence(depth: number): RegexNode {
    const items: RegexNode[] = [];
    for (;;) {
      if (this.#take("^")) items.push({ kind: "start", nullable: true });
      else if (this.#take("$")) items.push({ kind: "end", nullable: true });
      else {
        const atom = this.#atom(depth);
        if (atom === undefined) break;
        items.push(this.#quantified(atom));
      }
    }
    return items.length === 1 ? items[0] : { kind: "sequence", items, nullable: items.every((item) => item.nullable) };
  }

  /** undefined at the end, at `|` and `)`, and at a quantifier, which is then nobody's and an error. */
  #atom(depth: number): RegexNode | undefined {
    const char = this.#text[this.#at];
    if (char === undefined) return undefined;
    if (!SPECIAL.includes(char)) {
      this.#at++;
      return byteNode(char.charCodeAt(0));
    }
    switch (char) {
      case ".":
        this.#at++;
        return { kind: "set", set: ANY, nullable: false };
      case "[":
        this.#at++;
        return { kind: "set", set: this.#bracket(), nullable: false };
      case "\\": {
        const escaped = this.#text[++this.#at];
        if (escaped === undefined || !SPECIAL.includes(escaped))
          throw new RegexFault("a backslash before an ordinary character", false);
        this.#at++;
        return byteNode(escaped.charCodeAt(0));
      }
      case "(": {
        if (depth >= NESTING_MAX) throw new RegexFault("parentheses nest too deeply", true);
        this.#at++;
        const index = ++this.groups;
        const body = this.choice(depth + 1);
        if (!this.#take(")")) throw new RegexFault("a parenthesis is not closed", false);
        return { kind: "group", index, body, nullable: body.nullable };
      }
      default:
        return undefined;
    }
  }

  #quantified(atom: RegexNode): RegexNode {
    let node = atom;
    let depth = 0;
    for (;;) {
      let min = 0;
      let max = UNBOUNDED;
      if (this.#take("+")) min = 1;
      else if (this.#take("?")) max = 1;
      else if (this.#take("{")) [min, max] = this.#bounds();
      else if (!this.#take("*")) return node;
      if (++depth > NESTING_MAX) throw new RegexFault("too many quantifiers", true);
      node = { kind: "repeat", body: node, min, max, nullable: min === 0 || node.nullable };
    }
  }

  /** What follows `{`: `m}`, `m,}` or `m,n}`. */
  #bounds(): [number, number] {
    const min = this.#count();
    if (min === undefined) throw new RegexFault("expected a number after '{'", false);
    let max: number | undefined = min;
    if (this.#take(",")) max = this.#count() ?? UNBOUNDED;
    if (!this.#take("}")) throw new RegexFault("expected '}'", false);
    if (max !== UNBOUNDED && max < min) throw new RegexFault("the bounds of a repetition are reversed", false);
    if (min > COUNT_MAX || max > COUNT_MAX) throw new RegexFault("a repetition is too long", true);
    return [min, max];
  }

  #count(): number | undefined {
    const from = this.#at;
    while (isDigit(this.#text.charCodeAt(this.#at))) this.#at++;
    return from === this.#at ? undefined : Number(this.#text.slice(from, this.#at));
  }

  /** What follows `[`. */
  #bracket(): ByteSet {
    const set = new Uint8Array(256);
    const negated = this.#take("^");
    // The byte that a following dash would make the start of a range; a class or a finished range cannot be one.
    let last: number | undefined;
    for (let first = true; ; first = false) {
      if (this.atEnd) throw new RegexFault("a bracket is not closed", false);
      if (!first && this.#take("]")) break;
      if (this.#text[this.#at] === "-" && !first) {
        this.#at++;
        if (this.#text[this.#at] === "]") last = addByte(set, 45);
        else {
          if (last === undefined) throw new RegexFault("a dash is not at the start or end of a bracket", false);
          addRange(set, last, this.#rangeEnd());
          last = undefined;
        }
      } else last = this.#bracketItem(set);
    }
    if (negated) for (let byte = 0; byte < 256; byte++) set[byte] ^= 1;
    return set;
  }

  /** Adds one byte or class; the byte, if it is one. */
  #bracketItem(set: ByteSet): number | undefined {
    const char = this.#text[this.#at++];
    if (char !== "[") return addByte(set, char.charCodeAt(0));
    const kind = this.#text[this.#at];
    if (kind === undefined) throw new RegexFault("a bracket is not closed", false);
    if (kind !== ":" && kind !== "." && kind !== "=") return addByte(set, 91);
    const name = this.#className(kind);
    if (kind === ":") {
      const test = CLASSES.get(name.toLowerCase());
      if (test === undefined) throw new RegexFault("unknown character class", false);
      for (let byte = 0; byte < 256; byte++) if (test(byte)) set[byte] = 1;
      return undefined;
    }
    // DEVIATION: libstdc++ also knows the POSIX names of bytes ([.hyphen.]); here a byte stands for itself.
    if (name.length !== 1) throw new RegexFault("unknown collating element", false);
    const byte = name.charCodeAt(0);
    if (kind === ".") return addByte(set, byte);
    addByte(set, byte);
    if (isAlpha(byte)) set[byte ^ 32] = 1; // libstdc++'s equivalence classes ignore case
    return undefined;
  }

  /** What stands between `[:` and `:]`, with `:` any of `: . =`. */
  #className(kind: string): string {
    const end = this.#text.indexOf(`${kind}]`, this.#at + 1);
    if (end < 0) throw new RegexFault("a character class is not closed", false);
    const name = this.#text.slice(this.#at + 1, end);
    this.#at = end + 2;
    return name;
  }

  #rangeEnd(): number {
    const char = this.#text[this.#at];
    const after = this.#text[this.#at + 1];
    if (char === undefined || (char === "[" && (after === ":" || after === "." || after === "="))) {
      throw new RegexFault("a range has no end", false);
    }
    this.#at++;
    return char.charCodeAt(0);
  }
}

function byteNode(byte: number): RegexNode {
  return { kind: "byte", byte, nullable: false };
}

function addByte(set: ByteSet, byte: number): number {
  set[byte] = 1;
  return byte;
}

/** As `signed char`: 0x80 is less than 0. */
function addRange(set: ByteSet, first: number, last: number): void {
  const from = (first << 24) >> 24;
  const to = (last << 24) >> 24;
  if (from > to) throw new RegexFault("the bounds of a range are reversed", false);
  for (let byte = from; byte <= to; byte++) set[byte & 255] = 1;
}
