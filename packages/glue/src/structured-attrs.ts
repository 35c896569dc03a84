/*
The two files a builder with structured attributes gets: .attrs.json with everything, and .attrs.sh for bash, which declares what bash has
a kind of variable for. Follows ParsedDerivation::prepareStructuredAttrs and StructuredAttrs::writeShell.

Texts are byte strings; own-output placeholders are replaced by the caller, who knows them.
*/

import type { ByteString } from "@firn/base";
import { type Derivation, sortedMap } from "@firn/nix-compat";
import { isJsonObject, type JsonObject, type JsonValue, printJson } from "./json-value.ts";

const INT_END = 2 ** 31;
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The contents of .attrs.json and .attrs.sh: the attributes with `outputs` as a map from names to paths, and `graphs` instead of what they are named like. */
export function structuredAttrsFiles(
  attributes: JsonObject,
  drv: Derivation,
  graphs: readonly (readonly [ByteString, JsonValue])[] = [],
): { readonly json: ByteString; readonly sh: ByteString } {
  const outputs = sortedMap<JsonValue>(Array.from(drv.outputs, ([name, { path }]) => [name, path]));
  const whole = sortedMap<JsonValue>([...attributes, ["outputs", outputs], ...graphs]);
  return { json: printJson(whole), sh: shellDeclarations(whole) };
}

/** One line for each attribute that can be a bash variable, an array or an associative array of simple values. */
function shellDeclarations(attributes: JsonObject): ByteString {
  let sh = "";
  for (const [name, value] of attributes) {
    if (!SHELL_NAME.test(name)) continue;
    const simple = shellValue(value);
    if (simple !== undefined) sh += `declare ${name}=${simple}\n`;
    else if (isJsonObject(value)) {
      const items = Array.from(value, ([key, item]) => [quoteForShell(key), shellValue(item)] as const);
      if (items.some(([, item]) => item === undefined)) continue;
      sh += `declare -A ${name}=(${items.map(([key, item]) => `[${key}]=${item} `).join("")})\n`;
    } else if (Array.isArray(value)) {
      const items = value.map(shellValue);
      if (items.includes(undefined)) continue;
      sh += `declare -a ${name}=(${items.map((item) => `${item} `).join("")})\n`;
    }
  }
  return sh;
}

/** A string, whole number, null or boolean as a word of bash; undefined for everything else. */
function shellValue(value: JsonValue): ByteString | undefined {
  if (value === null) return "''";
  switch (typeof value) {
    case "string":
      return quoteForShell(value);
    case "boolean":
      return value ? "1" : "";
    case "bigint":
      return BigInt.asIntN(32, value).toString(); // Nix takes an int of C, which has 32 bits
    case "number": {
      const single = Math.fround(value); // whether there is a fraction is asked in single precision
      if (Number.isFinite(single) && !Number.isInteger(single)) return undefined;
      return String(Math.abs(value) < INT_END ? Math.trunc(value) : -INT_END); // what the conversion yields on x86-64
    }
    default:
      return undefined;
  }
}

function quoteForShell(text: ByteString): ByteString {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
