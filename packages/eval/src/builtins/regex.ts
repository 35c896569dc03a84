/*
`match` and `split`. Patterns are compiled once and kept, the most recently used ones, since nixpkgs asks the same few all the time.
*/

import type { ByteString } from "@firn/base";
import { forceString, forceTextWithoutContext, textOfString } from "../coerce.ts";
import { EvalError } from "../error.ts";
import { PosixRegex, type RegexMatch } from "../posix-regex.ts";
import { RegexFault } from "../posix-regex-parser.ts";
import type { Lazy, Value } from "../value.ts";
import { type BuiltinDefinition, builtin } from "./definition.ts";

const COMPILED_MAX = 1000;
const compiled = new Map<ByteString, PosixRegex>();

/** The compiled pattern. Throws EvalError: `invalid-value` when it is wrong, `limit` when it is too big. */
function compile(pattern: ByteString): PosixRegex {
  let regex = compiled.get(pattern);
  if (regex !== undefined) return regex;
  regex = withFaults(pattern, () => new PosixRegex(pattern));
  if (compiled.size >= COMPILED_MAX) dropOldest();
  compiled.set(pattern, regex);
  return regex;
}

/** Oldest by when it was compiled: cheaper to keep than by use, and a pattern in use comes back at once. */
function dropOldest(): void {
  for (const pattern of compiled.keys()) {
    compiled.delete(pattern);
    return;
  }
}

function withFaults<T>(pattern: ByteString, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof RegexFault)) throw thrown;
    if (thrown.tooLarge)
      throw new EvalError("limit", `memory limit exceeded by regular expression '${pattern}'`, 0, thrown);
    throw new EvalError("invalid-value", `invalid regular expression '${pattern}'`, 0, thrown);
  }
}

/** What the groups matched, null for those that took no part. Contexts are lost, as in C++ Nix. */
function groupsOf(text: ByteString, match: RegexMatch): Lazy[] {
  const groups: Lazy[] = [];
  for (let i = 2; i < match.length; i += 2) groups.push(match[i + 1] < 0 ? null : text.slice(match[i], match[i + 1]));
  return groups;
}

function match(pattern: Lazy, string: Lazy): Value {
  const source = forceTextWithoutContext(pattern, "while evaluating the first argument passed to builtins.match");
  const regex = compile(source);
  const text = textOfString(forceString(string, "while evaluating the second argument passed to builtins.match"));
  const found = withFaults(source, () => regex.matchWhole(text));
  return found === undefined ? null : groupsOf(text, found);
}

/** Text between matches, and for each match the list of its groups. A string without a match stays as it is, with its context. */
function split(pattern: Lazy, string: Lazy): Value {
  const source = forceTextWithoutContext(pattern, "while evaluating the first argument passed to builtins.split");
  const regex = compile(source);
  const whole = forceString(string, "while evaluating the second argument passed to builtins.split");
  const text = textOfString(whole);
  const parts: Lazy[] =
    regex.literal === undefined
      ? withFaults(source, () => splitByRegex(regex, text))
      : splitByText(regex.literal, text);
  return parts.length === 1 ? [whole] : parts;
}

function splitByText(literal: ByteString, text: ByteString): Lazy[] {
  const parts: Lazy[] = [];
  let kept = 0;
  for (let at = text.indexOf(literal); at >= 0; at = text.indexOf(literal, kept)) {
    parts.push(text.slice(kept, at), []);
    kept = at + literal.length;
  }
  parts.push(text.slice(kept));
  return parts;
}

/** After an empty match the search goes on one byte later, as `std::regex_iterator` does. */
function splitByRegex(regex: PosixRegex, text: ByteString): Lazy[] {
  const parts: Lazy[] = [];
  let kept = 0;
  let from = 0;
  while (from <= text.length) {
    const found = regex.search(text, from);
    if (found === undefined) break;
    parts.push(text.slice(kept, found[0]), groupsOf(text, found));
    kept = found[1];
    from = found[0] === found[1] ? kept + 1 : kept;
  }
  parts.push(text.slice(kept));
  return parts;
}

/** `match split`. */
export const REGEX_BUILTINS: readonly BuiltinDefinition[] = [builtin("match", match), builtin("split", split)];
