import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { need } from "../../../dev/need.ts";
import { REGEX_BUILTINS } from "../src/builtins/regex.ts";
import { StringContext } from "../src/context.ts";
import { EvalError } from "../src/error.ts";
import { PosixRegex } from "../src/posix-regex.ts";
import { parsePosixRegex, type RegexNode, UNBOUNDED } from "../src/posix-regex-parser.ts";
import { type Builtin, type Lazy, StringWithContext, type Value } from "../src/value.ts";
import { enterTestEvaluation } from "./test-io.ts";

const all = new Map(REGEX_BUILTINS.map((b) => [b.name, b.value]));

function call(name: "match" | "split", ...args: Lazy[]): Value {
  enterTestEvaluation();
  return (all.get(name) as Builtin).fn(...args);
}

test("match gives the groups of a match of the whole string, or null", () => {
  const table: [string, string, unknown][] = [
    ["ab", "abc", null],
    ["abc", "abc", []],
    ["", "", []],
    ["(.*)\\.nix", "default.nix", ["default"]],
    ["[[:space:]]*(.*[^[:space:]])[[:space:]]*", "  a b\n", ["a b"]],
    ["([0-9]+)\\.([0-9]+).*", "23.11pre", ["23", "11"]],
    ["a(b)?c", "ac", [null]],
    ["(a|ab)(c|bcd)(d*)", "abcd", ["a", "bcd", ""]],
    ["((a)|b)*", "ab", ["b", "a"]],
    ["(a*)*", "a", [""]],
    ["(a*)+", "b", null],
    ["((a?)(b?))*", "ab", ["", "", ""]],
    ["(a?){3}", "a", [""]],
    ["a.c", "a\nc", []],
    ["[]a]+", "]a", []],
    ["[^]a]", "b", []],
    ["[a-]+", "a-a", []],
    ["[--0]+", "-./0", []],
    ["[[:ALPHA:]]", "b", []],
    ["[[=a=]][[.-.]]", "A-", []],
    ["a||b", "", []],
    ["a**", "aaa", []],
    ["a}]", "a}]", []],
    ["\\.\\[\\\\\\(\\)\\*\\+\\?\\{\\|\\^\\$", ".[\\()*+?{|^$", []],
    ["a{2}", "aa", []],
    ["a{2,}", "a", null],
    ["a{1,2}b", "aab", []],
    ["(a{0,2})(a*)", "aaa", ["aa", "a"]],
    ["^a$", "a", []],
    ["a^b", "ab", null],
    ["[\x80-\xff]+", "\xc3\xa4", []],
  ];
  for (const [pattern, text, expected] of table) assert.deepEqual(call("match", pattern, text), expected, pattern);
});

test("split puts lists of groups between the strings around matches", () => {
  const table: [string, string, unknown][] = [
    ["(a)b", "abc", ["", ["a"], "c"]],
    ["([ac])", "abc", ["", ["a"], "b", ["c"], ""]],
    ["(a)|(c)", "abc", ["", ["a", null], "b", [null, "c"], ""]],
    ["x*", "ab", ["", [], "a", [], "b", [], ""]],
    ["a*", "baac", ["", [], "b", [], "", [], "c", [], ""]],
    ["a|ab", "xabx", ["x", [], "x"]],
    ["(^|,)", "a,b", ["", [""], "a", [","], "b"]],
    ["^a", "aab", ["", [], "ab"]],
    ["\n", "a\nb\n", ["a", [], "b", [], ""]],
    ["\\.", "1.2", ["1", [], "2"]],
    ["b", "aaa", ["aaa"]],
    ["", "a", ["", [], "a", [], ""]],
  ];
  for (const [pattern, text, expected] of table) assert.deepEqual(call("split", pattern, text), expected, pattern);
});

test("split keeps the context of a string without a match, and of no other", () => {
  const text = new StringWithContext(
    "abc",
    StringContext.of(["/nix/store/11111111111111111111111111111111-x"]) as StringContext,
  );
  assert.deepEqual(call("split", "x", text), [text]);
  assert.deepEqual(call("split", "b", text), ["a", [], "c"]);
});

test("what libstdc++ refuses is refused", () => {
  const wrong = [
    "*a",
    "^*a",
    "a|*b",
    "(*a)",
    "a)",
    "(a",
    "a{",
    "a{,2}",
    "a{2,1}",
    "a{2",
    "[a",
    "[",
    "[[:nope:]]",
    "[[:alpha]",
    "[z-a]",
  ];
  wrong.push("[a-c-e]", "[[:alpha:]-z]", "[a-\xff]", "\\", "\\-", "\\1", "\\n", "(?:a)");
  for (const pattern of wrong) {
    const code = (thrown: unknown) => thrown instanceof EvalError && thrown.code === "invalid-value";
    assert.throws(() => call("match", pattern, "a"), code, pattern);
  }
  const isLimit = (thrown: unknown) => thrown instanceof EvalError && thrown.code === "limit";
  for (const pattern of ["a{70000}b{70000}", "((a{999}){999}){999}", "(".repeat(1000) + ")".repeat(1000)]) {
    assert.throws(() => call("match", pattern, "a"), isLimit, pattern.slice(0, 20));
  }
});

test("patterns that explode elsewhere take linear time and long strings no stack", () => {
  const text = "a".repeat(100_000);
  assert.equal(call("match", "(a*)*(a*)*(a|aa)*b", text), null);
  assert.deepEqual(call("match", "(.*)*", text), [""]);
  assert.equal((call("split", "a*b|c", text) as Lazy[]).length, 1);
});

// The slow twin: walks the tree with continuations and tries everything.

type Groups = readonly number[];

/** How many steps it may take before a case is given up. */
const SLOW_STEPS_MAX = 20_000;
class TooSlow extends Error {}
let slowSteps = 0;

function enumerate(
  node: RegexNode,
  text: string,
  at: number,
  groups: Groups,
  go: (at: number, groups: Groups) => void,
): void {
  if (++slowSteps > SLOW_STEPS_MAX) throw new TooSlow();
  switch (node.kind) {
    case "byte":
      if (text.charCodeAt(at) === node.byte) go(at + 1, groups);
      return;
    case "set":
      if (at < text.length && node.set[text.charCodeAt(at)] === 1) go(at + 1, groups);
      return;
    case "start":
      if (at === 0) go(at, groups);
      return;
    case "end":
      if (at === text.length) go(at, groups);
      return;
    case "choice":
      for (const branch of node.branches) enumerate(branch, text, at, groups, go);
      return;
    case "sequence": {
      const [first, ...rest] = node.items;
      if (first === undefined) go(at, groups);
      else
        enumerate(first, text, at, groups, (next, inner) =>
          enumerate({ kind: "sequence", items: rest, nullable: false }, text, next, inner, go),
        );
      return;
    }
    case "group":
      enumerate(node.body, text, at, groups, (end, inner) => {
        const after = [...inner];
        after[2 * node.index] = at;
        after[2 * node.index + 1] = end;
        go(end, after);
      });
      return;
    case "repeat": {
      const { body, min, max } = node;
      if (min > 0) {
        const rest: RegexNode = { ...node, min: min - 1, max: max === UNBOUNDED ? max : max - 1 };
        enumerate(body, text, at, groups, (next, inner) => enumerate(rest, text, next, inner, go));
        return;
      }
      if (max === UNBOUNDED) {
        enumerate(body, text, at, groups, (next, inner) =>
          next > at ? enumerate(node, text, next, inner, go) : go(next, inner),
        );
      } else if (max > 0) {
        enumerate(body, text, at, groups, (next, inner) => enumerate({ ...node, max: max - 1 }, text, next, inner, go));
      }
      go(at, groups);
    }
  }
}

function slowMatch(pattern: string, text: string, start: number, whole: boolean): number[] | undefined {
  const { root, groups } = parsePosixRegex(pattern);
  let best: Groups | undefined;
  slowSteps = 0;
  enumerate(root, text, start, new Array(2 * groups + 2).fill(-1), (end, found) => {
    if (whole && end !== text.length) return;
    if (best === undefined || end > best[1]) best = [start, end, ...found.slice(2)];
  });
  return best === undefined ? undefined : [...best];
}

function slowSearch(pattern: string, text: string, from: number): number[] | undefined {
  for (let start = from; start <= text.length; start++) {
    const found = slowMatch(pattern, text, start, false);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether trying everything ends soon: the twin and C++ Nix take exponential time otherwise. */
function isTractable(pattern: string, text: string): boolean {
  try {
    for (let start = 0; start <= text.length; start++) slowMatch(pattern, text, start, false);
    return true;
  } catch (thrown) {
    if (thrown instanceof TooSlow) return false;
    throw thrown;
  }
}

/** libstdc++ counts turns of loops whose body can be empty in a way that loses matches; there the two may differ. */
function repeatsEmpty(node: RegexNode): boolean {
  switch (node.kind) {
    case "repeat":
      return node.body.nullable || repeatsEmpty(node.body);
    case "group":
      return repeatsEmpty(node.body);
    case "sequence":
      return node.items.some(repeatsEmpty);
    case "choice":
      return node.branches.some(repeatsEmpty);
    default:
      return false;
  }
}

const patterns = fc.letrec<{ choice: string; sequence: string; item: string; atom: string }>((tie) => ({
  choice: fc.array(tie("sequence"), { minLength: 1, maxLength: 3 }).map((branches) => branches.join("|")),
  sequence: fc.array(tie("item"), { minLength: 1, maxLength: 3 }).map((items) => items.join("")),
  item: fc
    .tuple(tie("atom"), fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,2}", "{1,}"))
    .map(([atom, quantifier]) => atom + quantifier),
  atom: fc.oneof(
    { maxDepth: 3, depthIdentifier: "regex" },
    fc.constantFrom("a", "b", "c", ".", "[ab]", "[^a]"),
    tie("choice").map((choice) => `(${choice})`),
  ),
})).choice;
const texts = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });

test("the engine finds what trying everything finds", () => {
  enterTestEvaluation();
  fc.assert(
    fc.property(patterns, texts, fc.nat(2), (pattern, text, from) => {
      fc.pre(isTractable(pattern, text));
      const regex = new PosixRegex(pattern);
      const plain = (found: Int32Array | undefined) => found && [...found];
      assert.deepEqual(plain(regex.matchWhole(text)), slowMatch(pattern, text, 0, true));
      assert.deepEqual(plain(regex.search(text, from)), slowSearch(pattern, text, from));
      assert.deepEqual(plain(regex.matchWhole(text)), slowMatch(pattern, text, 0, true)); // nothing is left over from before
    }),
    { numRuns: 200 },
  );
});

test("match and split agree with C++ Nix", need("nix-instantiate"), () => {
  const cases = fc
    .sample(fc.tuple(patterns, texts), { numRuns: 300, seed: 20 })
    .filter(([pattern, text]) => isTractable(pattern, text) && !repeatsEmpty(parsePosixRegex(pattern).root));
  const quoted = cases.map(([pattern, text]) => `[${JSON.stringify(pattern)} ${JSON.stringify(text)}]`);
  const expression = `map (c: let f = k: k (builtins.head c) (builtins.elemAt c 1); in [ (f builtins.match) (f builtins.split) ]) [${quoted.join(" ")}]`;
  const output = execFileSync("nix-instantiate", ["--eval", "--strict", "--json", "-E", expression], {
    encoding: "utf8",
    env: { ...process.env, NIX_REMOTE: "dummy://", NIX_STORE_DIR: "/nix/store" },
  });
  const expected = JSON.parse(output) as unknown[];
  for (const [i, [pattern, text]] of cases.entries()) {
    assert.deepEqual(
      [call("match", pattern, text), call("split", pattern, text)],
      expected[i],
      `${pattern} on ${text}`,
    );
  }
});
