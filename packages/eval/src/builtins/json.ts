/*
JSON to values and back. Both sides are UTF-8 byte strings, so a string without escapes is a slice of its source. What is accepted and what
is written follow nlohmann's library, which C++ Nix uses: 64-bit integers, duplicate names keep the last value, floats that are
integers are written with `.0`, control chars as `\u00xx`.
*/

import type { ByteString } from "@firn/base";
import { Attrs } from "../attrs.ts";
import {
  coerceToString,
  contextOfString,
  forceTextWithoutContext,
  makeString,
  type PathCoercion,
  textOfString,
} from "../coerce.ts";
import { type StringContext, uniteContexts } from "../context.ts";
import { EvalError, framed } from "../error.ts";
import { parseJson } from "../json-parser.ts";
import { call1, deepen, force, restoreDepth, savedDepth } from "../machine.ts";
import { describeType } from "../type-name.ts";
import { utf8Mistake } from "../utf8.ts";
import { type Lazy, NixFloat, PathValue, StringWithContext, Thunk } from "../value.ts";
import { type BuiltinDefinition, builtin } from "./definition.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

export type JsonOptions = {
  /** Whether thunks inside are forced; otherwise they are an error. */
  readonly strict: boolean;
  /** What paths become; store paths of copies by default. */
  readonly paths?: PathCoercion;
};

/** A JSON text with the contexts of all strings in it. */
export type JsonText = { readonly text: ByteString; readonly context: StringContext | undefined };

/**
 * The JSON of a value, without whitespace, names sorted. Sets with `__toString` or `outPath` become
 * that. Not strict: a thunk inside is an error rather than forced. Follows `printValueAsJSON`.
 */
export function valueToJson(value: Lazy, options: JsonOptions): JsonText {
  const writer = new JsonWriter(options);
  writer.write(value);
  return { text: writer.text, context: writer.context };
}

/** The value of a JSON text. Throws EvalError `invalid-value` naming line and column. */
export function jsonToValue(text: ByteString): Lazy {
  return parseJson(text);
}

class JsonWriter {
  text = "";
  context: StringContext | undefined;
  readonly #strict: boolean;
  readonly #paths: PathCoercion;

  constructor(options: JsonOptions) {
    this.#strict = options.strict;
    this.#paths = options.paths ?? "copy";
  }

  /** `pos` is where the value is defined, as far as that is known. */
  write(lazy: Lazy, pos = 0): void {
    const depth = savedDepth();
    deepen(pos);
    this.#write(lazy, pos);
    restoreDepth(depth);
  }

  #write(lazy: Lazy, pos: number): void {
    if (!this.#strict && lazy instanceof Thunk && lazy.code !== null)
      throw new EvalError("type", "cannot convert a thunk to JSON");
    const value = force(lazy);
    switch (typeof value) {
      case "string":
        this.text += quoteJson(value);
        return;
      case "number":
      case "bigint":
      case "boolean":
        this.text += String(value);
        return;
    }
    if (value === null) this.text += "null";
    else if (value instanceof Attrs) this.#writeAttrs(value);
    else if (Array.isArray(value)) {
      this.text += "[";
      for (let i = 0; i < value.length; i++) {
        if (i > 0) this.text += ",";
        try {
          this.write(value[i], pos);
        } catch (thrown) {
          throw framed(thrown, `while evaluating list element at index ${i}`, pos);
        }
      }
      this.text += "]";
    } else if (value instanceof StringWithContext) this.#writeString(value);
    else if (value instanceof PathValue) this.#writeString(coerceToString(value, "natural", this.#paths));
    else if (value instanceof NixFloat) this.text += formatJsonFloat(value.value);
    else throw new EvalError("type", `cannot convert ${describeType(value)} to JSON`);
  }

  #writeString(string: string | StringWithContext): void {
    this.context = uniteContexts(this.context, contextOfString(string));
    this.text += quoteJson(textOfString(string));
  }

  #writeAttrs(attrs: Attrs): void {
    const toString = attrs.get("__toString");
    if (toString !== undefined) {
      this.#writeString(coerceToString(call1(force(toString), attrs, 0), "natural", "text"));
      return;
    }
    const outPath = attrs.get("outPath");
    if (outPath !== undefined) {
      this.write(outPath);
      return;
    }
    const { shape, values } = attrs.flat();
    this.text += "{";
    for (let i = 0; i < values.length; i++) {
      if (i > 0) this.text += ",";
      this.text += `${quoteJson(shape.names[i])}:`;
      const at = shape.positions === null ? 0 : shape.positions[i];
      try {
        this.write(values[i], at);
      } catch (thrown) {
        throw framed(thrown, `while evaluating attribute '${shape.names[i]}'`, at);
      }
    }
    this.text += "}";
  }
}

/** A JSON string of UTF-8 bytes. Throws EvalError `invalid-value` for bytes that are no UTF-8. */
export function quoteJson(text: ByteString): ByteString {
  let quoted = '"';
  let kept = 0;
  let ascii = true;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char > 127) ascii = false;
    if (char >= 32 && char !== 34 && char !== 92) continue;
    quoted += text.slice(kept, i) + (ESCAPES[text[i]] ?? `\\u${char.toString(16).padStart(4, "0")}`);
    kept = i + 1;
  }
  const mistake = ascii ? undefined : utf8Mistake(text);
  if (mistake !== undefined) throw notUtf8(text, mistake);
  return `${quoted}${text.slice(kept)}"`;
}

/** In nlohmann's words, which are part of C++ Nix's message. */
function notUtf8(text: ByteString, mistake: number): EvalError {
  const isCut = mistake === text.length;
  const byte = text.charCodeAt(isCut ? mistake - 1 : mistake);
  const hex = `0x${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  const what = isCut ? `incomplete UTF-8 string; last byte: ${hex}` : `invalid UTF-8 byte at index ${mistake}: ${hex}`;
  return new EvalError("invalid-value", `JSON serialization error: [json.exception.type_error.316] ${what}`);
}

/** The shortest decimal that reads back equal, as nlohmann lays it out: `.0` after integers, an exponent from 1e15 and below 1e-4. */
export function formatJsonFloat(value: number): string {
  if (!Number.isFinite(value)) return "null";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa, exponentText] = Math.abs(value).toExponential().split("e");
  const sign = value < 0 ? "-" : "";
  const exponent = Number(exponentText);
  const digits = mantissa.replace(".", "");
  const point = exponent + 1; // digits before the decimal point
  if (digits.length <= point && point <= 15) return `${sign}${digits.padEnd(point, "0")}.0`;
  if (point > 0 && point <= 15) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -4 && point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** `toJSON fromJSON`. */
export const JSON_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("toJSON", (value: Lazy) => {
    const { text, context } = valueToJson(value, { strict: true });
    return makeString(text, context);
  }),
  builtin("fromJSON", (text: Lazy) => force(jsonToValue(forceTextWithoutContext(text)))),
];
