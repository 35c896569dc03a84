/* Lints, warnings and the words of refusals that name what was expected. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "../src/parse.ts";

const LINTS: readonly (readonly [
  string,
  "urlLiterals" | "shortPathLiterals" | "absolutePathLiterals",
  number | undefined,
])[] = [
  ["[ http://a ]", "urlLiterals", 2],
  ['[ "http://a" ]', "urlLiterals", undefined],
  ["[ a/b ]", "shortPathLiterals", 2],
  ["[ ./a/b ../a ~/a /a ]", "shortPathLiterals", undefined],
  ["[ /a ]", "absolutePathLiterals", 2],
  ["[ ~/a ]", "absolutePathLiterals", 2],
  ["[ /a${b}/c ]", "absolutePathLiterals", 2],
  ["[ ./a a/b ]", "absolutePathLiterals", undefined],
];
for (const [source, lint, at] of LINTS) {
  test(`${lint} ${at === undefined ? "has nothing to say about" : "finds"} ${source}`, () => {
    const asked = parse(source, { lints: { [lint]: "warn" } });
    assert.deepEqual([asked.warnings.map(({ from }) => from), asked.diagnostics], [at === undefined ? [] : [at], []]);
    assert.deepEqual(parse(source).warnings, []);
    const refused = parse(source, { lints: { [lint]: "fatal" } });
    assert.deepEqual(
      [refused.diagnostics.map(({ code }) => code), refused.warnings],
      [at === undefined ? [] : ["lint"], []],
    );
  });
}

test("or as a name is warned about where it is one operand among others", () => {
  const warned = (source: string) => parse(source).warnings.map(({ code, from, to }) => [code, source.slice(from, to)]);
  assert.deepEqual(warned("f g or x"), [["deprecated", "g or"]]);
  assert.deepEqual(warned("[ a b or ]"), [["deprecated", "b or"]]);
  assert.deepEqual(warned("x.y or g or"), [["deprecated", "g or"]]);
  assert.deepEqual(warned("map or [ ]"), []);
  assert.deepEqual(warned("f (g or)"), []);
});

const REFUSED: readonly (readonly [string, string, number])[] = [
  ["a.if", "syntax error, unexpected 'if', expecting identifier or 'or' or '${' or '\"'", 2],
  ["{ 2 = a; }", "syntax error, unexpected integer, expecting 'inherit'", 2],
  ["{ b ... }", "syntax error, unexpected '...', expecting '.' or '='", 4],
  ["a.~/b", "syntax error, unexpected '~/…' path, expecting identifier or 'or' or '${' or '\"'", 2],
  ["let ${a} = 1; in a", "dynamic attributes not allowed in let", 0],
  ["a@{ a }: a", "duplicate formal function argument 'a'", 0],
  ["{ a, a }: a", "duplicate formal function argument 'a'", 5],
  ["/a/b/", "path has a trailing slash", 5],
];
for (const [source, message, from] of REFUSED) {
  test(`${source} is refused in Nix's words, at its place`, () => {
    const [first] = parse(source).diagnostics;
    assert.deepEqual([first.message, first.from], [message, from]);
  });
}

test("a null byte in a string is shown, since no string can hold it", () => {
  const [{ message, from }] = parse('"a\0b"').diagnostics;
  assert.match(Buffer.from(message, "latin1").toString("utf8"), /'a␀b' cannot be represented/);
  assert.equal(from, 1);
});

test("the parts of a string begin where their text or their ${ does", () => {
  const { tree } = parse('"ab${ c }d${e}"');
  assert.deepEqual(tree.kind === "interpolation" && tree.starts, [1, 3, 9, 10]);
});
