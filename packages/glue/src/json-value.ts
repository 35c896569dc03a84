/*
JSON as structured attributes need it: read from a byte string and printed again the way Nix's JSON library prints it (keys sorted
bytewise, no spaces, text as UTF-8). JSON.parse would not do: it rounds integers beyond 2^53 and moves keys that look like numbers.

It is no general JSON library. Numbers are integers of 64 bits (bigint) or floats (number), as that library has them.
*/

import { byteStringOfText, type ByteString, textOf } from "@firn/base";
import { sortedMap } from "@firn/nix-compat";
import { GlueError } from "./error.ts";

/** Objects are in bytewise order of their keys; of equal keys the last one counts. Strings are UTF-8 byte strings. */
export type JsonValue = null | boolean | bigint | number | ByteString | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<ByteString, JsonValue>;

/** Deepest nesting of arrays and objects that is read. */
export const JSON_DEPTH_MAX = 512;

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN = /[^"\\\0-\x1f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const PRINTED_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};
const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/** Reads one value. Throws `invalid-derivation` with the offset where the text stops being JSON; `what` begins the message. */
export function parseJson(text: ByteString, what: string): JsonValue {
  return new Reader(text, what).read();
}

/** Whether a value is an object. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}

class Reader {
  readonly #text: ByteString;
  readonly #what: string;
  #at = 0;

  constructor(text: ByteString, what: string) {
    this.#text = text;
    this.#what = what;
  }

  read(): JsonValue {
    // Sequences that are no UTF-8 do not survive being decoded and encoded again.
    if (byteStringOfText(textOf(this.#text)) !== this.#text) throw this.#wrong("it is not UTF-8");
    const value = this.#value(0);
    this.#match(SPACE);
    if (this.#at < this.#text.length) throw this.#wrong("something follows the value");
    return value;
  }

  #value(depth: number): JsonValue {
    if (depth > JSON_DEPTH_MAX) throw this.#wrong(`it is nested deeper than ${JSON_DEPTH_MAX}`);
    this.#match(SPACE);
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
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

  #object(depth: number): JsonObject {
    const entries: [ByteString, JsonValue][] = [];
    this.#at++;
    if (!this.#takes("}")) {
      do {
        this.#match(SPACE);
        if (this.#text[this.#at] !== '"') throw this.#wrong("expected a key");
        const key = this.#string();
        if (!this.#takes(":")) throw this.#wrong("expected a colon");
        entries.push([key, this.#value(depth + 1)]);
      } while (this.#takes(","));
      if (!this.#takes("}")) throw this.#wrong("expected a comma or the end of the object");
    }
    return sortedMap(entries);
  }

  #array(depth: number): JsonValue[] {
    const values: JsonValue[] = [];
    this.#at++;
    if (this.#takes("]")) return values;
    do values.push(this.#value(depth + 1));
    while (this.#takes(","));
    if (!this.#takes("]")) throw this.#wrong("expected a comma or the end of the array");
    return values;
  }

  #string(): ByteString {
    this.#at++;
    let value = "";
    for (;;) {
      value += this.#match(PLAIN)[0];
      const char = this.#text[this.#at++];
      if (char === '"') return value;
      if (char !== "\\") throw this.#wrong("a string does not end, or holds a control character");
      const escape = this.#text[this.#at++];
      if (escape === "u") value += this.#codePoint();
      else if (escape !== undefined && Object.hasOwn(ESCAPES, escape)) value += ESCAPES[escape];
      else throw this.#wrong("unknown escape in a string");
    }
  }

  #codePoint(): ByteString {
    let text = String.fromCharCode(this.#hex4());
    if (/[\ud800-\udbff]/.test(text) && this.#text.startsWith("\\u", this.#at)) {
      this.#at += 2;
      text += String.fromCharCode(this.#hex4());
    }
    if (!text.isWellFormed()) throw this.#wrong("half of a surrogate pair");
    return byteStringOfText(text);
  }

  #hex4(): number {
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#wrong("expected four hex digits");
    this.#at += 4;
    return Number.parseInt(digits, 16);
  }

  #number(): bigint | number {
    const [text, fraction, exponent] = this.#match(NUMBER);
    if (text === "") throw this.#wrong("expected a value");
    if (fraction === undefined && exponent === undefined) {
      const integer = BigInt(text);
      if (integer >= INT64_MIN && integer <= UINT64_MAX) return integer;
    }
    const float = Number(text);
    if (!Number.isFinite(float)) throw this.#wrong("a number is out of range");
    return float;
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#wrong("expected a value");
    this.#at += word.length;
    return value;
  }

  /** Skips spaces, and `char` if it comes next. */
  #takes(char: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): readonly string[] {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text) ?? [""];
    this.#at += match[0].length;
    return match;
  }

  #wrong(why: string): GlueError {
    return new GlueError("invalid-derivation", `${this.#what} is not JSON at byte ${this.#at}: ${why}`, {
      context: { offset: this.#at },
    });
  }
}

/** The value as compact JSON, a UTF-8 byte string. */
export function printJson(value: JsonValue): ByteString {
  if (value === null) return "null";
  if (typeof value === "string") return printString(value);
  if (typeof value === "number") return printFloat(value);
  if (typeof value !== "object") return value.toString();
  if (isJsonObject(value))
    return `{${Array.from(value, ([key, item]) => `${printString(key)}:${printJson(item)}`).join(",")}}`;
  return `[${value.map(printJson).join(",")}]`;
}

function printString(text: ByteString): ByteString {
  const escape = (char: string) => PRINTED_ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `"${text.replace(/["\\\0-\x1f]/g, escape)}"`;
}

/** The shortest digits that read back the same, with a fraction or exponent always, so that it stays a float. */
function printFloat(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  if (value === 0) return "0.0";
  const [mantissa, exponentText] = Math.abs(value).toExponential().split("e");
  const sign = value < 0 ? "-" : "";
  const digits = mantissa.replace(".", "");
  const point = Number(exponentText) + 1; // digits before the decimal point
  if (digits.length <= point && point <= 15) return `${sign}${digits.padEnd(point, "0")}.0`;
  if (point > 0 && point <= 15) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -4 && point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
  const power = Math.abs(point - 1)
    .toString()
    .padStart(2, "0");
  return `${sign}${digits[0]}${fraction}e${point > 0 ? "+" : "-"}${power}`;
}

/** JSON text of an object as Nix keeps it: compact, keys in bytewise order. Throws `invalid-derivation` for anything else; `what` names the text. */
export function normalizeJsonObject(text: ByteString, what: string): ByteString {
  const value = parseJson(text, what);
  if (!isJsonObject(value)) throw new GlueError("invalid-derivation", `${what} is no JSON object`);
  return printJson(withSortedKeys(value));
}

function withSortedKeys(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  if (!isJsonObject(value)) return value.map(withSortedKeys);
  const keys = [...value.keys()].sort();
  return new Map(keys.map((key) => [key, withSortedKeys(value.get(key) as JsonValue)]));
}
