/*
The JSON reader. Strict (RFC 8259, a byte order mark at the start aside); containers are kept on an own stack, so depth costs no JavaScript
stack. An integer beyond 64 bits is an error up to 2^64 and a float from there on, as in C++ Nix.
*/

import type { ByteString } from "@firn/base";
import { nullByteMessage } from "@firn/syntax";
import { makeInt } from "./arithmetic.ts";
import { Attrs } from "./attrs.ts";
import { EvalError } from "./error.ts";
import { isUtf8, utf8OfCodePoint } from "./utf8.ts";
import { type Lazy, NixFloat } from "./value.ts";

/** Containers nest at most so deep. */
const DEPTH_MAX = 10_000;
const INT_MAX = 0x7fff_ffff_ffff_ffffn;
const INT_MIN = -0x8000_0000_0000_0000n;
const UNSIGNED_MAX = 0xffff_ffff_ffff_ffffn;

/** Numbers of so few chars are safe integers. */
const SAFE_DIGITS = 15;

type Container = { readonly items: Lazy[] } | { readonly entries: Map<string, Lazy>; name: string };

/** The value of a whole JSON text. Throws EvalError `invalid-value`. */
export function parseJson(text: ByteString): Lazy {
  return new JsonParser(text).parse();
}

class JsonParser {
  readonly #text: ByteString;
  #at = 0;

  constructor(text: ByteString) {
    this.#text = text;
    if (text.startsWith("\xef\xbb\xbf")) this.#at = 3;
  }

  parse(): Lazy {
    const open: Container[] = [];
    for (;;) {
      let value = this.#scalarOrOpen(open);
      // A finished value closes as many containers as end right after it.
      for (;;) {
        if (value === undefined) break;
        const inner = open[open.length - 1];
        const next = this.#peek();
        if (inner === undefined) {
          if (next !== "") throw this.#error("expected the end of the text");
          return value;
        }
        if ("items" in inner) inner.items.push(value);
        else inner.entries.set(inner.name, value);
        value = undefined;
        this.#at++;
        if (next === ",") {
          if ("entries" in inner) inner.name = this.#name();
        } else if (next === ("items" in inner ? "]" : "}")) {
          open.pop();
          value = "items" in inner ? inner.items : Attrs.fromMap(inner.entries);
        } else {
          this.#at--;
          throw this.#error("items" in inner ? "expected ',' or ']'" : "expected ',' or '}'");
        }
      }
    }
  }

  /** A finished value, or undefined after opening a container that is not empty. */
  #scalarOrOpen(open: Container[]): Lazy | undefined {
    switch (this.#peek()) {
      case '"':
        return this.#string();
      case "{":
        this.#at++;
        if (this.#peek() === "}") {
          this.#at++;
          return Attrs.EMPTY;
        }
        this.#push(open, { entries: new Map(), name: this.#name() });
        return undefined;
      case "[":
        this.#at++;
        if (this.#peek() === "]") {
          this.#at++;
          return [];
        }
        this.#push(open, { items: [] });
        return undefined;
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #push(open: Container[], container: Container): void {
    if (open.length >= DEPTH_MAX) throw new EvalError("limit", `JSON nests deeper than ${DEPTH_MAX}`);
    open.push(container);
  }

  /** The next char that is no whitespace; empty at the end. */
  #peek(): string {
    for (;;) {
      const char = this.#text.charCodeAt(this.#at);
      if (char !== 32 && char !== 10 && char !== 13 && char !== 9) return this.#text.charAt(this.#at);
      this.#at++;
    }
  }

  #name(): string {
    if (this.#peek() !== '"') throw this.#error("expected a name in quotes");
    const name = this.#string();
    if (this.#peek() !== ":") throw this.#error("expected ':'");
    this.#at++;
    return name;
  }

  #word(word: string, value: boolean | null): boolean | null {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error("expected a value");
    this.#at += word.length;
    return value;
  }

  /** `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?` */
  #number(): number | bigint | NixFloat {
    const from = this.#at;
    if (this.#text[this.#at] === "-") this.#at++;
    if (this.#text[this.#at] === "0") this.#at++;
    else this.#digits();
    let isFloat = false;
    if (this.#text[this.#at] === ".") {
      isFloat = true;
      this.#at++;
      this.#digits();
    }
    if (this.#text[this.#at] === "e" || this.#text[this.#at] === "E") {
      isFloat = true;
      this.#at++;
      if (this.#text[this.#at] === "+" || this.#text[this.#at] === "-") this.#at++;
      this.#digits();
    }
    const digits = this.#text.slice(from, this.#at);
    if (isFloat) return this.#float(digits);
    if (digits.length <= SAFE_DIGITS) return Number(digits) + 0;
    if (digits.length > 20) return this.#float(digits);
    const integer = BigInt(digits);
    if (integer > UNSIGNED_MAX || integer < INT_MIN) return this.#float(digits);
    if (integer > INT_MAX)
      throw new EvalError("invalid-value", `unsigned json number ${digits} outside of Nix integer range`);
    return makeInt(integer);
  }

  #digits(): void {
    const from = this.#at;
    for (;;) {
      const char = this.#text.charCodeAt(this.#at);
      if (!(char >= 48 && char <= 57)) break;
      this.#at++;
    }
    if (from === this.#at)
      throw this.#error(this.#at === this.#text.length ? "unexpected end of the text" : "expected a value");
  }

  #float(digits: string): NixFloat {
    const value = Number(digits);
    if (!Number.isFinite(value)) throw this.#error(`number overflow parsing '${digits}'`);
    return new NixFloat(value);
  }

  #string(): ByteString {
    const text = this.#text;
    let result = "";
    let ascii = true;
    let hasNull = false;
    let kept = ++this.#at;
    for (;;) {
      const char = text.charCodeAt(this.#at);
      if (char === 34) break;
      if (char === 92) {
        const before = text.slice(kept, this.#at);
        const escaped = this.#escape();
        if (escaped === "\0") hasNull = true;
        result += before + escaped;
        kept = this.#at;
      } else if (char >= 32) {
        if (char > 127) ascii = false;
        this.#at++;
      } else
        throw this.#error(this.#at >= text.length ? "a string is not closed" : "a control character must be escaped");
    }
    result = kept === this.#at && result !== "" ? result : result + text.slice(kept, this.#at);
    if (hasNull) throw new EvalError("invalid-value", nullByteMessage(result));
    if (!ascii && !isUtf8(result)) throw this.#error("a string is not valid UTF-8");
    this.#at++;
    return result;
  }

  /** At a backslash. */
  #escape(): ByteString {
    const char = this.#text[this.#at + 1];
    this.#at += 2;
    switch (char) {
      case '"':
      case "\\":
      case "/":
        return char;
      case "b":
        return "\b";
      case "f":
        return "\f";
      case "n":
        return "\n";
      case "r":
        return "\r";
      case "t":
        return "\t";
      case "u":
        return this.#codePoint();
      default:
        this.#at -= 2;
        throw this.#error("unknown escape in a string");
    }
  }

  /** After `\u`. */
  #codePoint(): ByteString {
    const unit = this.#hex4();
    if (unit === 0) return "\0"; // refused with the whole string
    if (unit >= 0xdc00 && unit <= 0xdfff) throw this.#error("a low surrogate without a high one before it");
    if (unit < 0xd800 || unit > 0xdbff) return utf8OfCodePoint(unit);
    if (!this.#text.startsWith("\\u", this.#at)) throw this.#error("a high surrogate without a low one after it");
    this.#at += 2;
    const low = this.#hex4();
    if (low < 0xdc00 || low > 0xdfff) throw this.#error("a high surrogate without a low one after it");
    return utf8OfCodePoint(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
  }

  #hex4(): number {
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#error("'\\u' must be followed by 4 hex digits");
    this.#at += 4;
    return Number.parseInt(digits, 16);
  }

  #error(message: string): EvalError {
    const before = this.#text.slice(0, this.#at);
    const line = before.split("\n").length;
    const column = this.#at - before.lastIndexOf("\n");
    return new EvalError("invalid-value", `parse error in JSON at line ${line}, column ${column}: ${message}`);
  }
}
