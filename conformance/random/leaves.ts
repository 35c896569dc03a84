/* Literals for every kind: ordinary ones, and those at the edges (limits of integers, escapes, empty things, odd names). */

import { type Term, leaf } from "./term.ts";

export const NAMES = ["a", "b", "c", "x", "y", "foo", "bar", "x'", "_z", "k-v"];
/** Names that need quotes. */
export const ODD_NAMES = ['"foo bar"', '"1"', '""', '"if"', '"a.b"'];

const UMLAUT = "\xc3\xbc";

const STRINGS = [
  '""',
  '"a"',
  '"b"',
  '"foo"',
  '"foo bar"',
  '"a\\nb"',
  '"\\"q\\""',
  '"$"',
  '"$$"',
  '"\\${x}"',
  '"$${x}"',
  '"\\t\\\\"',
  `"${UMLAUT}"`,
  '"1.2.3"',
  '"/a/b"',
  "''x''",
  "''\n  a\n    b\n  ''",
  "''\n\n  c\n ''$ d''",
  "''''${x} ''\\n '''q'''''",
  "http://example.org/x?y=1",
];

const TEXTS: Record<string, readonly string[]> = {
  int: [
    ...["0", "1", "2", "3", "7", "10", "42", "-1", "(-3)", "255", "1000000", "2147483648", "4294967296"],
    ...["9223372036854775807", "(-9223372036854775807 - 1)", "4611686018427387904", "007"],
  ],
  small: ["0", "0", "0", "0", "1", "1", "2", "3", "(-1)"],
  "known-int": ["6"],
  float: [
    "0.0",
    "1.0",
    "0.5",
    "1.5",
    "-2.25",
    ".25",
    "1.e3",
    "1.0e10",
    "3.14159265358979",
    "1.0e-7",
    "123456789.125",
    "-0.0",
  ],
  bool: ["true", "false"],
  null: ["null"],
  string: STRINGS,
  name: [...NAMES.map((name) => `"${name}"`), ...ODD_NAMES],
  absent: ['"absent"', '"zz"'],
  unset: ['"FIRN_UNSET"', '""'],
  missing: ['"/absent"', "/absent/file", '"/absent/a.nix"'],
  filename: [
    '"/a/b"',
    '"a/b/"',
    '"/"',
    '"x"',
    '"/a"',
    '"a//b"',
    '""',
    '"/a/b.c/"',
    '"//a"',
    '"/a/../b"',
    "/a/b",
    "/.",
    '"a/."',
  ],
  "filename-part": ['"out"', '"x"', '"a-1.2"', '"dev"', '"lib_x+y"', '"a b"', '""', '".x"', '"a?b=c"'],
  context: [
    "{ }",
    '{ "/nix/store/00000000000000000000000000000000-x" = { path = true; }; }',
    '{ "/nix/store/00000000000000000000000000000000-x.drv" = { outputs = [ "out" "dev" ]; }; }',
    '{ "/nix/store/00000000000000000000000000000000-x.drv" = { allOutputs = true; }; }',
  ],
  version: [
    ...['"1.2"', '"1.2pre3"', '"2.10"', '"1.2.3-4"', '"hello-1.0"', '"gcc-wrapper-12.3"', '"1.0a"', '""', '"1..2"'],
    ...['"pre"', '"1.0.0"', '"a-b-c"', '"x-"', '"-1"', '"1.a"', '"foo-1bar"', '"10"', '"9"'],
  ],
  algorithm: ['"md5"', '"sha1"', '"sha256"', '"sha512"', '"sha256"', '"crc"'],
  regex: [
    ...[
      '"a"',
      '"a*"',
      '"(a)(b)?"',
      '"[a-z]+"',
      '"(.*)x(.*)"',
      '"[[:space:]]*([^ ]+).*"',
      '"a|b"',
      '"(a|ab)(c|bcd)(d*)"',
    ],
    ...[
      '""',
      '"x{2,3}"',
      '"^a$"',
      '"."',
      '"[^a]"',
      '"()"',
      '"(a*)*"',
      '"\\\\."',
      '"[]a]+"',
      '"[0-9]+"',
      '"(foo)|(bar)"',
    ],
    ...['"("', '"*"', '"[a"', '"a{2"', '"[[:upper:]]"', '"([0-9]+)\\\\.([0-9]+)"', '"(fo|foo)(o?)"'],
  ],
  json: [
    ...[
      '"{}"',
      '"[]"',
      '"[1, 2, 3]"',
      "''{\"a\": 1, \"b\": 2}''",
      "''\"s\\\\u00fc\\\\n\"''",
      '"null"',
      '"1.5"',
      '"-0"',
      '"1e3"',
    ],
    ...[
      '"[1,]"',
      '"{"',
      '"[true, false, null]"',
      "''{\"a\": {\"b\": [1.25]}}''",
      "''{\"a\":1,\"a\":2}''",
      '" 1 "',
      '"01"',
      '"18446744073709551615"',
    ],
    ...['"9223372036854775807"', "''[\"\\\\ud83d\\\\ude00\"]''", "''\"a\tb\"''", '""', '"[[[]]]"', '"nul"', '"1 2"'],
  ],
  toml: [
    ...[
      '""',
      '"a = 1"',
      '"a = 1\\nb = 2\\n"',
      "''\n  [t]\n  x = 1\n  y = [1, 2]\n''",
      "''s = \"q\\\\n\"''",
      '"f = 1.5"',
      '"b = true"',
    ],
    ...[
      '"a.b.c = 3"',
      '"a = 0x1F"',
      '"a = 1_000"',
      '"[[p]]\\nn = 1\\n[[p]]\\nn = 2"',
      '"a = {b = 1, c = 2}"',
      '"a = "',
      '"a = 1\\na = 2"',
    ],
    ...[
      '\'\'m = """\n  x\n  y"""\'\'',
      "''l = 'raw\\n'''''",
      '"[a]\\n[a.b]\\nc = 1"',
      '"# only"',
      '"a = +1"',
      '"a = inf"',
    ],
  ],
  stringable: [
    "1",
    "true",
    "false",
    "null",
    '"s"',
    "[ ]",
    "[ 1 [ 2 3 ] ]",
    '[ "a" null true ]',
    "1.5",
    "(-7)",
    '{ outPath = "o"; }',
    '{ __toString = self: self.v; v = "v"; }',
    "[ [ ] [ 1 ] ]",
    "/a/b",
  ],
  step: [
    "(i: if i.key > 5 || i.key < -5 then [ ] else [ { key = i.key + 1; } ])",
    "(i: [ { key = 1; } { key = 2; } ])",
    "(i: if i.key > 9 then [ ] else [ { key = i.key * 2 + 1; } { key = i.key + 3; v = i.key; } ])",
    "(i: [ ])",
  ],
  "search-path": ["[ ]"],
};

/** One literal of a plain kind. */
export function literal(kind: string, below: (limit: number) => number): Term {
  const texts = TEXTS[kind];
  const text = texts[below(texts.length)];
  // A sign in front of a number is an operator, which needs parentheses as an argument.
  return text.startsWith("-") ? { parts: [text], kids: [], atom: false } : leaf(text);
}

/** Kinds that are strings of a certain form: any string serves, rarely. */
export const STRING_KINDS = new Set([
  "name",
  "absent",
  "filename",
  "filename-part",
  "version",
  "algorithm",
  "regex",
  "json",
  "toml",
]);
/** Kinds that only literals make. */
export const LITERAL_KINDS = new Set([
  "small",
  "known-int",
  "unset",
  "missing",
  "context",
  "stringable",
  "step",
  "search-path",
  "absent",
]);
