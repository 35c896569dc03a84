import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DERIVATION_BYTES_MAX, parseDerivation, printDerivation, quoteATerm } from "../src/aterm.ts";
import {
  DEFERRED_OUTPUT,
  type Derivation,
  type DerivationOutput,
  type DynamicInput,
  floatingOutput,
  impureOutput,
  sortedMap,
  sortedSet,
} from "../src/derivation.ts";
import { NixCompatError, type NixCompatErrorCode } from "../src/error.ts";

const PATH = "/nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la";

const byteString = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
  maxLength: 40,
});
const escapable = fc.string({ unit: fc.constantFrom('"', "\\", "\n", "\r", "\t", "n", "$", "\xff", ",", "(") });
const text = fc.oneof(byteString, escapable);
const name = fc.stringMatching(/^[0-9A-Za-z+_?=][0-9A-Za-z+\-._?=]{0,10}$/).filter((word) => word !== "drvPath");
const storePath = name.map((word) => `${PATH}-${word}`);
const output: fc.Arbitrary<DerivationOutput> = fc.oneof(
  storePath.map((path): DerivationOutput => ({ kind: "input-addressed", path, hashAlgorithm: "", hash: "" })),
  storePath.map(
    (path): DerivationOutput => ({
      kind: "fixed",
      path,
      hashAlgorithm: "r:md5",
      hash: "c4874a8897440b393d862d8fd459073f",
    }),
  ),
  fc.constantFrom(DEFERRED_OUTPUT, floatingOutput("nar", "sha256"), impureOutput("text", "sha512")),
);
const derivation: fc.Arbitrary<Derivation> = fc.record(
  {
    name,
    outputs: fc.array(fc.tuple(name, output)).map(sortedMap),
    inputDrvs: fc.array(fc.tuple(storePath, fc.array(name).map(sortedSet))).map(sortedMap),
    inputSrcs: fc.array(storePath).map(sortedSet),
    system: byteString.filter((word) => !/["\\\n\r\t]/.test(word)), // Nix prints it without escapes
    builder: text,
    args: fc.array(text),
    env: fc.array(fc.tuple(text, text)).map(sortedMap),
  },
  { noNullPrototype: true },
);

test("a derivation that was printed is read back the same", () => {
  fc.assert(fc.property(derivation, (drv) => assert.deepEqual(parseDerivation(printDerivation(drv), drv.name), drv)));
});

test("five characters are escaped, no others", () => {
  assert.equal(quoteATerm('a"b\\c\nd\re\tf'), '"a\\"b\\\\c\\nd\\re\\tf"');
  assert.equal(quoteATerm("\0\x01\x7f\xff$${}'"), '"\0\x01\x7f\xff$${}\'"');
  assert.equal(quoteATerm("\\n"), '"\\\\n"');
});

test("masking empties output paths and the variables named like outputs; inputs can be replaced", () => {
  const path = `${PATH}-x`;
  const drv: Derivation = {
    name: "x",
    outputs: new Map([["out", { kind: "input-addressed", path, hashAlgorithm: "", hash: "" }]]),
    inputDrvs: new Map([[`${PATH}-y.drv`, ["dev", "out"]]]),
    inputSrcs: [`${PATH}-z`],
    system: "s",
    builder: "b",
    args: ["-c", "x"],
    env: new Map([
      ["a", "1"],
      ["out", path],
    ]),
  };
  const rest = `["${PATH}-z"],"s","b",["-c","x"]`;
  const inputs = `[("${PATH}-y.drv",["dev","out"])]`;
  assert.equal(
    printDerivation(drv),
    `Derive([("out","${path}","","")],${inputs},${rest},[("a","1"),("out","${path}")])`,
  );
  const masked = printDerivation(drv, { maskOutputs: true, inputDrvs: new Map([["abc", ["out"]]]) });
  assert.equal(masked, `Derive([("out","","","")],[("abc",["out"])],${rest},[("a","1"),("out","")])`);
});

const GOOD = `Derive([("out","${PATH}-x","","")],[("${PATH}-a.drv",["dev","out"])],["${PATH}-s"],"s","b",["x"],[("a","1"),("b","2")])`;

test("what Nix would not have printed is refused with the byte it is at", () => {
  assert.equal(printDerivation(parseDerivation(GOOD, "x")), GOOD);
  const cases: readonly [from: string, to: string, at: string, code?: NixCompatErrorCode][] = [
    ["Derive(", "Derivf(", "Derivf("],
    ["Derive(", 'DrvWithVersion("xp-other",', '"xp-other"', "unsupported-derivation"],
    ["Derive(", 'DrvWithVersion("xp-dyn-drv",', `,["${PATH}-s"]`],
    ['["dev","out"]', '(["dev","out"],[("out",["out"])])', "(["],
    [")])", ")]", ""],
    [")])", ")])\n", "\n"],
    ['("b","2")', '("a","2")', '"a","2")'],
    ['"dev","out"', '"out","dev"', '"dev"'],
    ['"dev","out"', '"dev","drvPath"', '"drvPath"'],
    [`["${PATH}-s"]`, `["/nix/store/s"]`, '"/nix/store/s"'],
    [`["${PATH}-s"]`, `["${PATH}-s","${PATH}-s"]`, `"${PATH}-s"],"s"`],
    [`"${PATH}-x","",""`, `"${PATH}-x","","00"`, '"00")'],
    [`"${PATH}-x","",""`, `"${PATH}-x","sha256","00"`, '"00")'],
    [`"${PATH}-x","",""`, `"${PATH}-x","sha256",""`, '"")],'],
    [`"${PATH}-x","",""`, `"${PATH}-x","sha3","00"`, '"00")'],
    [`"${PATH}-x","",""`, `"","md5","c4874a8897440b393d862d8fd459073f"`, '"c487'],
    [`"${PATH}-x","",""`, `"${PATH}-x","md5","C4874a8897440b393d862d8fd459073f"`, '"C487'],
    ['"2")])', '"2', "2"],
    ['"2")])', '"2\\', "2"],
    ['["x"]', '["x",]', "]"],
  ];
  for (const [from, to, at, code = "invalid-derivation"] of cases) {
    const bad = GOOD.replace(from, () => to);
    assert.notEqual(bad, GOOD);
    assert.throws(
      () => parseDerivation(bad, "x"),
      (error) => {
        assert.ok(error instanceof NixCompatError);
        assert.equal(error.code, code, error.message);
        assert.ok(bad.slice(error.context.offset as number).startsWith(at), `${error.message} in ${bad}`);
        return true;
      },
    );
  }
});

const DYNAMIC = GOOD.replace("Derive(", 'DrvWithVersion("xp-dyn-drv",').replace(
  '["dev","out"]',
  '(["dev"],[("a",["x","y"]),("out",([],[("b",["out"])]))])',
);

test("outputs of derivations that are outputs are read and printed in the versioned form", () => {
  const derivation = parseDerivation(DYNAMIC, "x");
  assert.deepEqual(derivation.inputDrvs.get(`${PATH}-a.drv`), ["dev"]);
  assert.deepEqual(
    derivation.dynamicInputs?.get(`${PATH}-a.drv`),
    new Map<string, DynamicInput>([
      ["a", { outputs: ["x", "y"] }],
      ["out", { outputs: [], dynamic: new Map([["b", { outputs: ["out"] }]]) }],
    ]),
  );
  assert.equal(printDerivation(derivation), DYNAMIC);
  const bad = DYNAMIC.replace('[("a",["x","y"])', '[("out",["x","y"])');
  assert.throws(() => parseDerivation(bad, "x"), { code: "invalid-derivation" });
});

test("a truncated derivation is refused wherever it was cut", () => {
  for (let length = 0; length < GOOD.length; length++) {
    assert.throws(() => parseDerivation(GOOD.slice(0, length), "x"), NixCompatError, GOOD.slice(0, length));
  }
});

test("paths of another store are refused, and read where that store is meant", () => {
  const other = GOOD.replaceAll("/nix/store", "/gnu/store");
  assert.throws(() => parseDerivation(other, "x"), NixCompatError);
  assert.equal(printDerivation(parseDerivation(other, "x", "/gnu/store")), other);
});

test("the limit on a derivation's length is stated in the error", () => {
  const long = "x".repeat(DERIVATION_BYTES_MAX + 1);
  assert.throws(
    () => parseDerivation(long, "x"),
    (error) => error instanceof NixCompatError && error.code === "limit",
  );
});
