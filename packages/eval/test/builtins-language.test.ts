import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { byteStringOfText } from "@firn/base";
import { need } from "../../../dev/need.ts";
import { valueToJson } from "../src/builtins/json.ts";
import { valueToXml } from "../src/builtins/xml.ts";
import { EvalError } from "../src/error.ts";
import { Evaluator } from "../src/evaluator.ts";
import { PathValue } from "../src/value.ts";
import { EMPTY_IO } from "./test-io.ts";

const ROOT = new PathValue(EMPTY_IO.rootTree, "/");

function evaluateJson(source: string): unknown {
  const evaluator = new Evaluator({ io: EMPTY_IO });
  const value = evaluator.evaluate(byteStringOfText(source), ROOT);
  const bytes = evaluator.run(() => valueToJson(value, { strict: true }).text);
  return JSON.parse(Buffer.from(bytes, "latin1").toString());
}

/** Expressions whose results C++ Nix 2.8 and 2.35 agree on. */
const EXPRESSIONS = [
  `builtins.toXML { a = 1; b = [ 1.5 true null "x<y>&\\"z\\n" ]; f = x: x; g = { x, y ? 1, ... }@args: x; h = { b, a }: a; p = /a/b; k = builtins.map; }`,
  `builtins.toXML (let d = { type = "derivation"; drvPath = "/d"; outPath = "/o"; x = 1; }; in [ d d { type = "derivation"; } ])`,
  `builtins.toXML ((x: y: x) 1)`,
  `builtins.toXML { }`,
  `builtins.fromTOML ''
    a = 1
    big = 9223372036854775807
    f = [ 1.5, -0.0, 1e3 ]
    s = "\\u00e4"
    [t."x.y"]
    b = true
    [[l]]
    n = 0x1F
    [[l]]
  ''`,
  `builtins.fromJSON ''{"a": [1, 2.5, "x\\u00e4\\ud83d\\ude00", null, true], "b": {"c": -3}}''`,
  `builtins.toJSON { a = [ 1 "x\\n\\t\\"" true null ]; b = { outPath = "/x"; }; c = { __toString = self: "s"; }; d.e = { }; }`,
  `toString [ 1 (-2) 1.5 true false null [ ] [ "a" [ "b" ] ] { outPath = "o"; } /x ]`,
  `map baseNameOf [ "" "/" "a" "a/" "a/b" "/a/b/" "a//" ]`,
  `map dirOf [ "" "/" "a" "a/" "a/b" "/a/b/" "/a" ] ++ [ (toString (dirOf /a/b)) ]`,
  `map (v: builtins.splitVersion v) [ "" "1.2.3" "1.2pre-3_a" "..1" ]`,
  `map (p: builtins.compareVersions (builtins.head p) (builtins.elemAt p 1)) [ ["1.0" "2.3"] ["2.3a" "2.3.1"] ["2.3pre1" "2.3"] ["" "pre"] ["a" "b"] ["1" "99999999999"] ]`,
  `map builtins.parseDrvName [ "nix-0.12pre" "a-b-1" "a-" "-1" "a-B-c" "a--b" ]`,
  `builtins.replaceStrings [ "o" "" ] [ "0" "_" ] "foo bar"`,
  `[ (builtins.substring 1 2 "abc") (builtins.substring 3 1 "abc") (builtins.substring 0 (-1) "abc") (builtins.stringLength "ä") ]`,
  `map (t: builtins.hashString t "x") [ "md5" "sha1" "sha256" "sha512" ]`,
  `[ (builtins.bitAnd 12 (-6)) (builtins.bitOr 4294967296 1) (builtins.bitXor (-1) 5) (builtins.ceil 1.5) (builtins.floor (-1.5)) (builtins.ceil 3) ]`,
  `let s = builtins.appendContext "x" { "/nix/store/00000000000000000000000000000000-a.drv" = { outputs = [ "out" "dev" ]; path = true; }; };
   in [ (builtins.getContext s) (builtins.hasContext s) (builtins.getContext (builtins.toJSON [ s ])) (builtins.getContext (builtins.substring 0 0 s)) ]`,
];

test("builtins give what C++ Nix gives", need("nix-instantiate"), () => {
  const output = execFileSync(
    "nix-instantiate",
    ["--eval", "--strict", "--json", "-E", `[ ${EXPRESSIONS.map((e) => `(${e})`).join(" ")} ]`],
    {
      encoding: "utf8",
      env: { ...process.env, NIX_REMOTE: "dummy://", NIX_STORE_DIR: "/nix/store" },
    },
  );
  const expected = JSON.parse(output) as unknown[];
  for (const [i, expression] of EXPRESSIONS.entries())
    assert.deepEqual(evaluateJson(expression), expected[i], expression);
});

test("XML with locations names line and column of functions and attributes", () => {
  const evaluator = new Evaluator({ io: EMPTY_IO });
  const value = evaluator.evaluate("{ a = x: x; }", ROOT);
  const { text } = evaluator.run(() => valueToXml(value, { strict: true, location: true }));
  assert.match(
    text,
    /<attr column="3" line="1" name="a">\n {6}<function column="7" line="1">\n {8}<varpat name="x" \/>/,
  );
  const lazy = evaluator.evaluate("{ a = 1 + 1; }", ROOT);
  const unforced = evaluator.run(() => valueToXml(lazy, { strict: false, location: false }).text);
  assert.match(unforced, /<attr name="a">\n {6}(<unevaluated|<int)/);
});

test("TOML that Nix refuses is refused", () => {
  for (const source of ["a = 1979-05-27", "a = 9223372036854775808", "a = ", "a = 1\na = 2", 'a = "\\u0000"']) {
    const isInvalid = (thrown: unknown) => thrown instanceof EvalError && thrown.code === "invalid-value";
    assert.throws(() => evaluateJson(`fromTOML ${JSON.stringify(source)}`), isInvalid, source);
  }
});
