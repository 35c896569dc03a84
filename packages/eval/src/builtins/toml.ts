/*
TOML to values, by smol-toml. Integers are 64 bits; dates and times are refused, as C++ Nix does without its experimental feature
`parse-toml-timestamps`.
*/

import { byteStringOfText, bytesOf, type ByteString, messageOf } from "@firn/base";
import { parse, TomlDate, type TomlValue } from "smol-toml";
import { makeInt } from "../arithmetic.ts";
import { Attrs } from "../attrs.ts";
import { forceTextWithoutContext } from "../coerce.ts";
import { EvalError } from "../error.ts";
import { nullByteMessage } from "@firn/syntax";
import { type Lazy, NixFloat, type Value } from "../value.ts";
import { type BuiltinDefinition, globalBuiltin } from "./definition.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The set a TOML document describes. Throws EvalError `invalid-value`. */
export function tomlToValue(text: ByteString): Value {
  let document: TomlValue;
  try {
    document = parse(utf8.decode(bytesOf(text)), { integersAsBigInt: true });
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
  const entries = new Map<string, Lazy>();
  for (const [name, value] of Object.entries(toml)) entries.set(stringOf(name), valueOf(value as TomlValue));
  return Attrs.fromMap(entries);
}

function stringOf(text: string): ByteString {
  if (text.includes("\0")) {
    throw new EvalError("invalid-value", `while parsing TOML: error: ${nullByteMessage(byteStringOfText(text))}`);
  }
  return byteStringOfText(text);
}

/** `fromTOML`. */
export const TOML_BUILTINS: readonly BuiltinDefinition[] = [
  globalBuiltin("fromTOML", (text: Lazy) => tomlToValue(forceTextWithoutContext(text))),
];
