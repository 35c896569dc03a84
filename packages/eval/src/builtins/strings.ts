/*
Strings: parts, joining, replacing, file name parts, hashes. All of it counts bytes. A result keeps the context of everything it was made
of, also where no char of it is left: `substring 0 0 drv` is how nixpkgs takes a context along.
*/

import { type ByteString, messageOf } from "@firn/base";
import {
  hashByteStringHex,
  type HashFormat,
  HashError,
  isHashAlgorithm,
  type HashAlgorithm,
  parseHash,
  printHash,
} from "@firn/hash";
import type { Attrs } from "../attrs.ts";
import {
  coerceToString,
  contextOfString,
  forceAttrs,
  forceInt,
  forceList,
  forceString,
  forceText,
  forceTextWithoutContext,
  makeString,
  type StringValue,
  textOfString,
} from "../coerce.ts";
import { uniteContexts } from "../context.ts";
import { EvalError, featureDisabled } from "../error.ts";
import { force } from "../machine.ts";
import { currentIo, currentLanguage } from "../world.ts";
import { parentPath } from "../path.ts";
import { type Lazy, PathValue } from "../value.ts";
import { type BuiltinDefinition, builtin, globalBuiltin } from "./definition.ts";

const HASH_FORMATS: Readonly<Record<string, HashFormat>> = {
  base16: "base16",
  nix32: "nix32",
  base32: "nix32",
  base64: "base64",
  sri: "sri",
};

/** `value` as a string, paths copied to the store: what most string functions take. */
export function coerceArgument(value: Lazy, during?: string): StringValue {
  return coerceToString(force(value), "natural", "copy", during);
}

function substring(from: Lazy, length: Lazy, string: Lazy): StringValue {
  const start = forceInt(from, "while evaluating the first argument (the start offset) passed to builtins.substring");
  if (start < 0) throw new EvalError("invalid-value", "negative start position in 'substring'");
  const count = forceInt(
    length,
    "while evaluating the second argument (the substring length) passed to builtins.substring",
  );
  const whole = coerceArgument(string, "while evaluating the third argument (the string) passed to builtins.substring");
  const text = textOfString(whole);
  const at = Number(start);
  const end = count < 0 ? text.length : at + Number(count);
  return makeString(at >= text.length ? "" : text.slice(at, end), contextOfString(whole));
}

function concatStringsSep(separator: Lazy, list: Lazy): StringValue {
  const between = forceString(
    separator,
    "while evaluating the first argument (the separator string) passed to builtins.concatStringsSep",
  );
  const items = forceList(
    list,
    "while evaluating the second argument (the list of strings to concat) passed to builtins.concatStringsSep",
  );
  const gap = textOfString(between);
  let context = contextOfString(between);
  const texts: string[] = [];
  for (let i = 0; i < items.length; i++) {
    const item = force(items[i]);
    if (typeof item === "string") {
      texts.push(item);
      continue;
    }
    const string = coerceToString(
      item,
      "natural",
      "copy",
      "while evaluating one element of the list of strings to concat passed to builtins.concatStringsSep",
    );
    texts.push(textOfString(string));
    context = uniteContexts(context, contextOfString(string));
  }
  return makeString(joined(texts, gap), context);
}

/** Few are added up; many would be a rope as deep as they are many, which the collector walks again and again. */
function joined(texts: readonly string[], gap: string): string {
  if (texts.length > 16) return texts.join(gap);
  let text = "";
  for (let i = 0; i < texts.length; i++) text += i === 0 ? texts[i] : gap + texts[i];
  return text;
}

/** The strings to look for. */
type Needles = {
  readonly texts: readonly ByteString[];
  /** `byFirst[char]` lists, ascending, those that can match before that char; null where there are so few that all are tried. */
  readonly byFirst: readonly (readonly number[])[] | null;
  /** The first empty one, or -1. It matches everywhere, so later ones never get their turn. */
  readonly firstEmpty: number;
};

const NONE: readonly number[] = [];

/** nixpkgs calls `replaceStrings` with the same few long lists all the time (`toLower`, `toUpper`), which are worth an index. */
const needlesOfList = new WeakMap<Lazy[], Needles>();
/** Shorter ones are often written into the call, so each is a new list: many weak entries cost the collector far more than they save. */
const INDEXED_LIST_MIN = 16;

function needlesOf(list: Lazy[]): Needles {
  const known = list.length < INDEXED_LIST_MIN ? undefined : needlesOfList.get(list);
  if (known !== undefined) return known;
  const texts = list.map((text) =>
    forceText(text, "while evaluating one of the strings to replace passed to builtins.replaceStrings"),
  );
  const firstEmpty = texts.indexOf("");
  if (list.length < INDEXED_LIST_MIN) return { texts, byFirst: null, firstEmpty };
  const byFirst: number[][] = [];
  const end = firstEmpty < 0 ? texts.length : firstEmpty;
  for (let i = 0; i < end; i++) {
    const first = texts[i].charCodeAt(0);
    if (byFirst[first] === undefined) byFirst[first] = [];
    byFirst[first].push(i);
  }
  const needles = { texts, byFirst, firstEmpty };
  needlesOfList.set(list, needles);
  return needles;
}

function findNeedle(needles: Needles, text: ByteString, at: number): number {
  if (at === text.length) return needles.firstEmpty;
  const { texts, byFirst, firstEmpty } = needles;
  const char = text.charCodeAt(at);
  if (byFirst === null) {
    for (let i = 0; i < texts.length && i !== firstEmpty; i++) {
      const needle = texts[i];
      if (needle.charCodeAt(0) === char && (needle.length === 1 || text.startsWith(needle, at))) return i;
    }
    return firstEmpty;
  }
  const candidates = byFirst[char] ?? NONE;
  for (let i = 0; i < candidates.length; i++) {
    const needle = texts[candidates[i]];
    if (needle.length === 1 || text.startsWith(needle, at)) return candidates[i];
  }
  return firstEmpty;
}

/** At each place the first needle that matches is replaced; an empty one puts its replacement before the char and steps over it. */
function replaceStrings(from: Lazy, to: Lazy, string: Lazy): StringValue {
  const fromList = forceList(from, "while evaluating the first argument passed to builtins.replaceStrings");
  const toList = forceList(to, "while evaluating the second argument passed to builtins.replaceStrings");
  if (fromList.length !== toList.length) {
    throw new EvalError(
      "invalid-value",
      "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths",
    );
  }
  const needles = needlesOf(fromList);
  const whole = forceString(string, "while evaluating the third argument passed to builtins.replaceStrings");
  const text = textOfString(whole);
  let context = contextOfString(whole);
  let result = "";
  let kept = 0; // text from here on to `at` is not yet in the result
  for (let at = 0; at <= text.length; ) {
    const found = findNeedle(needles, text, at);
    if (found < 0) {
      at++;
      continue;
    }
    const replacement = forceString(
      toList[found],
      "while evaluating one of the replacement strings passed to builtins.replaceStrings",
    );
    context = uniteContexts(context, contextOfString(replacement));
    result += text.slice(kept, at) + textOfString(replacement);
    const length = needles.texts[found].length;
    kept = at + length;
    at += length === 0 ? 1 : length;
  }
  return makeString(result + text.slice(kept), context);
}

/** What follows the last slash, one slash at the end aside. Follows `legacyBaseNameOf`. */
function baseNameOf(arg: Lazy): StringValue {
  const string = coerceToString(
    force(arg),
    "natural",
    "text",
    "while evaluating the first argument passed to builtins.baseNameOf",
  );
  const text = textOfString(string);
  const end = text.length > 1 && text.endsWith("/") ? text.length - 1 : text.length;
  const name = text.slice(end === 0 ? 0 : text.lastIndexOf("/", end - 1) + 1, end);
  return makeString(name, contextOfString(string));
}

function dirOf(arg: Lazy): StringValue | PathValue {
  const value = force(arg);
  if (value instanceof PathValue) return new PathValue(value.tree, parentPath(value.path));
  const string = coerceToString(
    value,
    "natural",
    "text",
    "while evaluating the first argument passed to 'builtins.dirOf'",
  );
  const text = textOfString(string);
  const slash = text.lastIndexOf("/");
  return makeString(slash < 0 ? "." : slash === 0 ? "/" : text.slice(0, slash), contextOfString(string));
}

function hashString(algorithmName: Lazy, string: Lazy): ByteString {
  const algorithm = hashAlgorithmOf(
    forceTextWithoutContext(algorithmName, "while evaluating the first argument passed to builtins.hashString"),
  );
  return hashByteStringHex(
    algorithm,
    forceText(string, "while evaluating the second argument passed to builtins.hashString"),
  );
}

/** The hash algorithm of that name. Throws EvalError `usage`, or `unsupported` for BLAKE3 where its feature is off. Follows `parseHashAlgo`. */
export function hashAlgorithmOf(name: string): HashAlgorithm {
  if (!isHashAlgorithm(name)) {
    throw new EvalError(
      "usage",
      `unknown hash algorithm '${name}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`,
    );
  }
  if (name === "blake3" && currentLanguage().blake3Hashes !== true) throw featureDisabled("blake3-hashes");
  return name;
}

function convertHash(arg: Lazy): ByteString {
  const args = forceAttrs(arg, "while evaluating the first argument passed to builtins.convertHash");
  const hash = forceTextWithoutContext(attribute(args, "hash"), "while evaluating the attribute 'hash'");
  const algorithmArg = args.get("hashAlgo");
  const algorithm =
    algorithmArg === undefined
      ? undefined
      : hashAlgorithmOf(forceTextWithoutContext(algorithmArg, "while evaluating the attribute 'hashAlgo'"));
  const formatName = forceTextWithoutContext(
    attribute(args, "toHashFormat"),
    "while evaluating the attribute 'toHashFormat'",
  );
  if (formatName === "base32") currentIo().log("warning", '"base32" is a deprecated alias for hash format "nix32".');
  if (!Object.hasOwn(HASH_FORMATS, formatName)) {
    const message = `unknown hash format '${formatName}', expect 'base16', 'base32', 'base64', or 'sri'`;
    throw new EvalError("usage", message);
  }
  try {
    return printHash(parseHash(hash, algorithm), HASH_FORMATS[formatName], false);
  } catch (thrown) {
    if (thrown instanceof HashError) throw new EvalError("invalid-value", messageOf(thrown), 0, thrown);
    throw thrown;
  }
}

function attribute(args: Attrs, name: string): Lazy {
  const value = args.get(name);
  if (value === undefined)
    throw new EvalError("missing-attribute", `attribute '${name}' missing`).within(
      `while locating the attribute '${name}'`,
    );
  return value;
}

/** `substring stringLength concatStringsSep replaceStrings toString baseNameOf dirOf hashString convertHash`. */
export const STRING_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("substring", substring),
  builtin(
    "stringLength",
    (string: Lazy) =>
      textOfString(coerceArgument(string, "while evaluating the argument passed to builtins.stringLength")).length,
  ),
  builtin("concatStringsSep", concatStringsSep),
  builtin("replaceStrings", replaceStrings),
  globalBuiltin("toString", (arg: Lazy) =>
    coerceToString(force(arg), "more", "text", "while evaluating the first argument passed to builtins.toString"),
  ),
  globalBuiltin("baseNameOf", baseNameOf),
  globalBuiltin("dirOf", dirOf),
  builtin("hashString", hashString),
  builtin("convertHash", convertHash),
];
