/*
TOML to values, by smol-toml. Integers are 64 bits; dates and times are refused unless the feature `parse-toml-timestamps` is on, as in
C++ Nix.

With the feature dates come as Temporal's, which keep nanoseconds; digits of a second beyond those, which Temporal refuses and TOML
allows, are cut from the text before it is parsed.
*/

import { byteStringOfText, bytesOf, type ByteString, messageOf } from "@firn/base";
import { parse, TomlDate, type TomlValue } from "smol-toml";
import { makeInt } from "../arithmetic.ts";
import { Attrs } from "../attrs.ts";
import { forceTextWithoutContext } from "../coerce.ts";
import { EvalError } from "../error.ts";
import { intern } from "../intern.ts";
import { Shape } from "../shape.ts";
import { nullByteMessage } from "@firn/syntax";
import { type Lazy, NixFloat, type Value } from "../value.ts";
import { currentLanguage } from "../world.ts";
import { type BuiltinDefinition, globalBuiltin } from "./definition.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Strings and comments, which stay as they are, or a time with more digits than nanoseconds have: nothing else in TOML has colons. */
const LONG_TIMES = /"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#.*|(:\d\d\.\d{9})\d+/g;

/** The set a TOML document describes. `timestamps`: whether dates and times are taken. Throws EvalError `invalid-value`. */
export function tomlToValue(text: ByteString, timestamps: boolean): Value {
  let document: TomlValue;
  try {
    let source = utf8.decode(bytesOf(text));
    if (timestamps) source = source.replace(LONG_TIMES, (whole, time: string | undefined) => time ?? whole);
    document = parse(source, { integersAsBigInt: true, useLegacyDate: !timestamps });
  } catch (thrown) {
    throw new EvalError("invalid-value", `while parsing TOML: ${messageOf(thrown)}`, 0, thrown);
  }
  return valueOf(document);
}

/** Depth is bounded by the parser. */
function valueOf(toml: TomlValue): Value {
  switch (typeof toml) {
    case "string":
      return stringOf(toml);
    case "bigint":
      if (BigInt.asIntN(64, toml) !== toml) {
        throw new EvalError("invalid-value", `while parsing TOML: the integer ${toml} does not fit 64 bits`);
      }
      return makeInt(toml);
    case "number":
      return new NixFloat(toml);
    case "boolean":
      return toml;
  }
  if (toml instanceof TomlDate)
    throw new EvalError("invalid-value", "while parsing TOML: Dates and times are not supported");
  if (Array.isArray(toml)) return toml.map(valueOf);
  // Tables are without prototype, which nothing of Temporal is.
  if (Object.getPrototypeOf(toml) !== null) return timestamp(String(toml));
  const entries = new Map<string, Lazy>();
  for (const [name, value] of Object.entries(toml)) entries.set(stringOf(name), valueOf(value as TomlValue));
  return Attrs.fromMap(entries);
}

const TIMESTAMP = new Shape(["_type", "value"].map(intern), null);

/**
 * From Temporal's text to C++ Nix's (`normalizeDatetimeFormat`): as many digits of the second as milli-, micro- or nanoseconds have, no time
 * zone besides the offset, and that as `Z` where it is none.
 */
function timestamp(text: string): Attrs {
  const shown = text
    .replace(/\[.*\]$/, "")
    .replace(/[+-]00:00$/, "Z")
    .replace(/\.(\d+)/, (_, digits: string) => `.${digits.padEnd(Math.ceil(digits.length / 3) * 3, "0")}`);
  return new Attrs(TIMESTAMP, ["timestamp", shown]);
}

function stringOf(text: string): ByteString {
  if (text.includes("\0")) {
    throw new EvalError("invalid-value", `while parsing TOML: error: ${nullByteMessage(byteStringOfText(text))}`);
  }
  return byteStringOfText(text);
}

/** `fromTOML`. */
export const TOML_BUILTINS: readonly BuiltinDefinition[] = [
  globalBuiltin("fromTOML", (text: Lazy) =>
    tomlToValue(forceTextWithoutContext(text), currentLanguage().tomlTimestamps === true),
  ),
];
