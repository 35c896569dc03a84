import assert from "node:assert/strict";
import { test } from "node:test";
import { Attrs } from "../src/attrs.ts";
import { BITS_BUILTINS } from "../src/builtins/bits.ts";
import { CONTEXT_BUILTINS } from "../src/builtins/contexts.ts";
import { STRING_BUILTINS } from "../src/builtins/strings.ts";
import { compareVersions, parseDrvName, splitVersion, VERSION_BUILTINS } from "../src/builtins/versions.ts";
import { StringContext } from "../src/context.ts";
import { EvalError, type EvalErrorCode } from "../src/error.ts";
import { type Builtin, type Lazy, NixFloat, StringWithContext, type Value } from "../src/value.ts";
import { enterTestEvaluation } from "./test-io.ts";

const all = new Map(
  [...BITS_BUILTINS, ...CONTEXT_BUILTINS, ...STRING_BUILTINS, ...VERSION_BUILTINS].map((b) => [b.name, b.value]),
);

function call(name: string, ...args: Lazy[]): Value {
  enterTestEvaluation();
  return (all.get(name) as Builtin).fn(...args);
}

function fails(code: EvalErrorCode, message: RegExp, name: string, ...args: Lazy[]): void {
  assert.throws(
    () => call(name, ...args),
    (thrown: unknown) => thrown instanceof EvalError && thrown.code === code && message.test(thrown.message),
  );
}

const DRV = "/nix/store/00000000000000000000000000000000-hello.drv";
const SRC = "/nix/store/11111111111111111111111111111111-source";

function withContext(text: string, ...elements: string[]): StringWithContext {
  return new StringWithContext(text, StringContext.of(elements) as StringContext);
}

test("substring counts bytes, takes a negative length as all the rest and refuses a negative start", () => {
  assert.equal(call("substring", 1, 3, "abcdef"), "bcd");
  assert.equal(call("substring", 2, -1, "abcdef"), "cdef");
  assert.equal(call("substring", 9, 3, "abc"), "");
  assert.equal(call("substring", 1, 9223372036854775807n, "abc"), "bc");
  assert.equal(call("substring", 9223372036854775807n, 1, "abc"), "");
  fails("invalid-value", /negative start/, "substring", -1, 3, "abc");
});

test("an empty substring keeps the context", () => {
  assert.deepEqual(call("substring", 0, 0, withContext("abc", SRC)), withContext("", SRC));
});

test("replaceStrings prefers earlier needles and forces only replacements it uses", () => {
  assert.equal(call("replaceStrings", ["oo", "a"], ["a", "oo"], "foobar"), "faboor");
  assert.equal(call("replaceStrings", ["a", "ab"], ["1", "2"], "ab"), "1b");
  assert.equal(call("replaceStrings", ["x"], [new NixFloat(1)], "abc"), "abc");
  fails("type", /expected a string/, "replaceStrings", ["b"], [1], "abc");
  fails("invalid-value", /different lengths/, "replaceStrings", ["b"], [], "abc");
});

test("an empty needle matches before every char and at the end", () => {
  assert.equal(call("replaceStrings", [""], ["X"], "abc"), "XaXbXcX");
  assert.equal(call("replaceStrings", ["", "a"], ["X", "_"], "abc"), "XaXbXcX");
  assert.equal(call("replaceStrings", ["a", ""], ["-", "_"], "abc"), "-_b_c_");
  assert.equal(call("replaceStrings", [""], ["X"], ""), "X");
});

test("replaceStrings adds only the contexts of what it put in", () => {
  const to = [withContext("1", SRC), withContext("2", DRV)];
  assert.deepEqual(call("replaceStrings", ["a", "b"], to, "xa"), withContext("x1", SRC));
});

test("concatStringsSep joins and unites contexts", () => {
  assert.equal(call("concatStringsSep", ", ", ["a", "b", "c"]), "a, b, c");
  assert.deepEqual(
    call("concatStringsSep", withContext("-", DRV), ["a", withContext("b", SRC)]),
    withContext("a-b", SRC, DRV),
  );
  fails("type", /cannot coerce an integer/, "concatStringsSep", "", [1]);
});

test("baseNameOf and dirOf cut at the last slash", () => {
  const table: [string, string, string][] = [
    ["", "", "."],
    ["/", "", "/"],
    ["a", "a", "."],
    ["a/b", "b", "a"],
    ["/a", "a", "/"],
    ["/a/b/", "b", "/a/b"],
    ["a//b//", "", "a//b/"],
    ["//", "", "/"],
  ];
  for (const [path, base, dir] of table)
    assert.deepEqual([call("baseNameOf", path), call("dirOf", path)], [base, dir], path);
  assert.deepEqual(call("baseNameOf", withContext(`${SRC}/x`, SRC)), withContext("x", SRC));
});

test("toString prints floats with six decimals and joins lists", () => {
  assert.equal(call("toString", new NixFloat(-0.0078125)), "-0.007812");
  assert.equal(call("toString", new NixFloat(0.0234375)), "0.023438");
  assert.equal(call("toString", new NixFloat(-0)), "-0.000000");
  assert.equal(call("toString", [1, new NixFloat(1.5), [true, false, null], [], "x"]), "1 1.500000 1   x");
});

test("hashString and convertHash speak all of Nix's encodings", () => {
  assert.equal(call("hashString", "md5", "abc"), "900150983cd24fb0d6963f7d28e17f72");
  fails("usage", /unknown hash algorithm 'md4'/, "hashString", "md4", "abc");
  const hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  const convert = (toHashFormat: string, hash: string, hashAlgo?: string) =>
    call(
      "convertHash",
      Attrs.fromEntries(Object.entries({ hash, toHashFormat, ...(hashAlgo === undefined ? {} : { hashAlgo }) })),
    );
  assert.equal(convert("sri", hex, "sha256"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  assert.equal(convert("nix32", `sha256:${hex}`), "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s");
  assert.equal(convert("base16", "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="), hex);
  assert.throws(() => convert("base8", hex, "sha256"), /unknown hash format 'base8'/);
  assert.throws(() => convert("sri", hex), /does not include a type/);
});

test("versions are split at dots, dashes and between digits and letters", () => {
  assert.deepEqual(splitVersion("1.2pre3-4..foo_5"), ["1", "2", "pre", "3", "4", "foo_", "5"]);
  assert.deepEqual(splitVersion(""), []);
});

test("versions are ordered component by component", () => {
  const table: [string, string, number][] = [
    ["1.0", "2.3", -1],
    ["2.1", "2.3", -1],
    ["2.3", "2.3", 0],
    ["2.5", "2.3", 1],
    ["2.3.1", "2.3", 1],
    ["2.3.1", "2.3a", 1],
    ["2.3pre1", "2.3", -1],
    ["2.3", "2.3pre1", 1],
    ["2.3pre3", "2.3pre12", -1],
    ["2.3a", "2.3c", -1],
    ["2.3pre1", "2.3c", -1],
    ["2.3pre1", "2.3q", -1],
    ["1.01", "1.1", 0],
    ["1.99999999999", "1.9", -1],
  ];
  for (const [a, b, order] of table) assert.equal(compareVersions(a, b), order, `${a} ${b}`);
});

test("a derivation name ends before the first dash that no letter follows", () => {
  assert.deepEqual(parseDrvName("nix-0.12pre12876"), { name: "nix", version: "0.12pre12876" });
  assert.deepEqual(parseDrvName("a-b-c-1234pre5+git"), { name: "a-b-c", version: "1234pre5+git" });
  assert.deepEqual(parseDrvName("a--1"), { name: "a", version: "-1" });
  assert.deepEqual(parseDrvName("a-"), { name: "a-", version: "" });
});

test("getContext and appendContext are each other's inverse", () => {
  const string = withContext("x", SRC, `=${DRV}`, `!out!${DRV}`, `!dev!${DRV}`);
  const context = call("getContext", string) as Attrs;
  assert.deepEqual(context.names, [DRV, SRC]);
  assert.deepEqual((context.get(DRV) as Attrs).get("outputs"), ["dev", "out"]);
  assert.equal((context.get(SRC) as Attrs).get("path"), true);
  assert.deepEqual(call("appendContext", "x", context), string);
  fails("invalid-value", /is not a store path/, "appendContext", "x", Attrs.fromEntries([["/nope", Attrs.EMPTY]]));
  const outputs = Attrs.fromEntries([["outputs", ["out"]]]);
  fails("invalid-value", /which is not a derivation/, "appendContext", "x", Attrs.fromEntries([[SRC, outputs]]));
});

test("contexts can be dropped, weakened and strengthened", () => {
  assert.equal(call("hasContext", withContext("x", SRC)), true);
  assert.equal(call("hasContext", "x"), false);
  assert.equal(call("unsafeDiscardStringContext", withContext("x", SRC)), "x");
  assert.deepEqual(call("unsafeDiscardOutputDependency", withContext("x", `=${DRV}`)), withContext("x", DRV));
  assert.deepEqual(call("addDrvOutputDependencies", withContext("x", DRV)), withContext("x", `=${DRV}`));
  fails("invalid-value", /is not a derivation/, "addDrvOutputDependencies", withContext("x", SRC));
  fails("invalid-value", /exactly one element, but has 0/, "addDrvOutputDependencies", "x");
  fails(
    "invalid-value",
    /derivation output such as 'out'/,
    "addDrvOutputDependencies",
    withContext("x", `!out!${DRV}`),
  );
});

test("bit operations see two's complement of 64 bits", () => {
  assert.equal(call("bitAnd", 12, 10), 8);
  assert.equal(call("bitOr", -1, 5), -1);
  assert.equal(call("bitXor", 0x1_0000_0001, 1), 0x1_0000_0000);
  assert.equal(call("bitAnd", -1, 9223372036854775807n), 9223372036854775807n);
  assert.equal(call("bitXor", -9223372036854775808n, -1), 9223372036854775807n);
});

test("rounding gives integers and refuses what is out of their range", () => {
  assert.equal(call("ceil", new NixFloat(1.2)), 2);
  assert.equal(call("floor", new NixFloat(-1.2)), -2);
  assert.ok(Object.is(call("ceil", new NixFloat(-0.5)), 0));
  assert.equal(call("floor", new NixFloat(1e18)), 1000000000000000000n);
  assert.equal(call("floor", 7), 7);
  fails("arithmetic", /NixFloat argument 1e\+19 is not in the range/, "floor", new NixFloat(1e19));
  fails("arithmetic", /NixFloat argument nan/, "ceil", new NixFloat(Number.NaN));
  fails("arithmetic", /NixInt argument 9223372036854775807 caused undefined/, "ceil", 9223372036854775807n);
  assert.equal(call("floor", 9223372036854774784n), 9223372036854774784n);
  fails("arithmetic", /9223372036854774785 was rounded to 9223372036854774784/, "floor", 9223372036854774785n);
  fails("type", /expected a float but found a string/, "ceil", "1");
});

test("arithmetic functions are the operators", () => {
  assert.equal(call("add", 9007199254740991, 1), 9007199254740992n);
  assert.equal(call("div", 7, -2), -3);
  assert.deepEqual(call("mul", 2, new NixFloat(1.5)), new NixFloat(3));
  assert.equal(call("lessThan", 1, new NixFloat(1.5)), true);
  fails("arithmetic", /overflow/, "sub", -9223372036854775808n, 1);
});
