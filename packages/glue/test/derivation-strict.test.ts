import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDerivation } from "@firn/nix-compat";
import { TestEvaluation } from "./evaluation.ts";

const ALL = ["ca-derivations", "impure-derivations", "dynamic-derivations", "git-hashing"];
const make = (attrs: string) => `derivation ({ name = "x"; builder = "b"; system = "s"; } // { ${attrs} })`;
const HASH = `outputHash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";`;

test("an output whose path is not known is a placeholder that depends on it", () => {
  const evaluation = new TestEvaluation({ features: ALL });
  const floating = make("__contentAddressed = true;");
  const context = evaluation.value(`builtins.getContext "\${${floating}}"`) as Record<string, unknown>;
  const [drvPath] = Object.keys(context);
  assert.deepEqual(context[drvPath], { outputs: ["out"] });
  assert.match(evaluation.value(`"\${${floating}}"`) as string, /^\/[0-9a-z]{52}$/);
  assert.match(evaluation.drvText(floating), /^Derive\(\[\("out","","r:sha256",""\)\]/);
});

test("each kind asks for its feature by name", () => {
  const cases: readonly [attrs: string, features: readonly string[], missing: string][] = [
    ["__contentAddressed = true;", [], "ca-derivations"],
    ["__impure = true;", ["ca-derivations"], "impure-derivations"],
    ["__impure = true;", ["impure-derivations"], "ca-derivations"],
    [`${HASH} outputHashMode = "text";`, [], "dynamic-derivations"],
    [`${HASH} outputHashMode = "git";`, [], "git-hashing"],
    [`${HASH} outputHashAlgo = "blake3";`, [], "blake3-hashes"],
  ];
  for (const [attrs, features, missing] of cases) {
    const evaluation = new TestEvaluation({ features });
    assert.throws(
      () => evaluation.value(`(${make(attrs)}).outPath`),
      (thrown: Error) => thrown.message.includes(`experimental Nix feature '${missing}' is disabled`),
      attrs,
    );
  }
});

test("checks come in the order of C++ Nix, with its words", () => {
  const evaluation = new TestEvaluation({ features: ALL });
  const cases: readonly [attrs: string, message: string][] = [
    [
      'name = "a b";',
      "invalid derivation name: name 'a b' contains illegal character ' '. Please pass a different 'name'.",
    ],
    ["__contentAddressed = true; __impure = true;", "derivation cannot be both content-addressed and impure"],
    ['outputs = [ "out" "out" ];', "duplicate derivation output 'out'"],
    ['outputs = "";', "derivation cannot have an empty set of outputs"],
    ['builder = ""; system = "";', "required attribute 'builder' missing"],
    ['system = "";', "required attribute 'system' missing"],
    ['name = "a.drv";', "derivation names are allowed to end in '.drv' only if they produce a single derivation file"],
    ['outputHashMode = "tar"; outputHash = 1;', "invalid value 'tar' for 'outputHashMode' attribute"],
    ['outputHash = ""; ', "empty hash requires explicit hash algorithm"],
    [`outputs = [ "out" "dev" ]; ${HASH}`, "multiple outputs are not supported in fixed-output derivations"],
    [
      'outputHashAlgo = "none"; outputHash = "00";',
      "hash '00' does not include a type, nor is the type otherwise known from context",
    ],
  ];
  for (const [attrs, message] of cases) {
    const strict = `(derivationStrict ({ name = "x"; builder = "b"; system = "s"; } // { ${attrs} })).drvPath`;
    assert.throws(() => evaluation.value(strict), { message }, attrs);
  }
});

test("a text output may be named like a derivation, and its own outputs be depended on", () => {
  const evaluation = new TestEvaluation({ features: ALL });
  const producer = make('name = "made.drv"; __contentAddressed = true; outputHashMode = "text";');
  const text = evaluation.drvText(
    `let p = ${producer}; in ${make('dep = builtins.outputOf p.outPath "out"; other = p;')}`,
  );
  assert.match(
    text,
    /^DrvWithVersion\("xp-dyn-drv",\[\("out","","",""\)\],\[\("[^"]*-made\.drv\.drv",\(\["out"\],\[\("out",\["out"\]\)\]\)\)\]/,
  );
  const parsed = parseDerivation(text, "x");
  assert.match(parsed.env.get("dep") as string, /^\/[0-9a-z]{52}$/);
  assert.equal(parsed.env.get("out"), "");
  const nested = `let p = ${producer}; in builtins.outputOf (builtins.outputOf p.outPath "a") "b"`;
  assert.match(evaluation.value(nested) as string, /^\/[0-9a-z]{52}$/);
  assert.throws(
    () => evaluation.value(`builtins.getContext (${nested})`),
    /cannot operate on output 'a' of the unbuilt/,
  );
});

test("outputOf takes strings that lead to one thing only", () => {
  const evaluation = new TestEvaluation({ features: ALL });
  const two = `let a = ${make("")}; b = ${make('name = "y";')}; in`;
  assert.equal(
    evaluation.value(`${two} builtins.outputOf (builtins.unsafeDiscardOutputDependency a.drvPath) "out" == a.outPath`),
    true,
  );
  assert.throws(() => evaluation.value(`${two} builtins.outputOf "x" "out"`), /has 0 entries in its context/);
  assert.throws(() => evaluation.value(`${two} builtins.outputOf "\${a}\${b}" "out"`), /has 2 entries in its context/);
  assert.throws(
    () => evaluation.value(`${two} builtins.outputOf a.drvPath "out"`),
    /complete source and binary closure/,
  );
  assert.throws(() => evaluation.value(`${two} builtins.outputOf "\${a}/x" "out"`), /not the right placeholder/);
  assert.equal(new TestEvaluation().value("builtins ? outputOf"), false);
});

test("structured attributes written as text are kept in order, with a warning", () => {
  const evaluation = new TestEvaluation();
  const text = evaluation.drvText(make(`__json = ''{ "b": [1, 2.0], "a": {"y": null, "x": "\\u0041"} }'';`));
  assert.equal(parseDerivation(text, "x").env.get("__json"), '{"a":{"x":"A","y":null},"b":[1,2.0]}');
  assert.match(evaluation.warnings.join(), /setting structured attributes via '__json' is deprecated/);
  assert.throws(() => evaluation.drvText(make('__json = "[]";')), /cannot process __json attribute/);
});

test("a hash may be empty, an unknown algorithm counts as none", () => {
  const evaluation = new TestEvaluation();
  const zeros = evaluation.drvText(make('outputHash = ""; outputHashAlgo = "sha256";'));
  assert.match(zeros, /"sha256","0{64}"/);
  assert.match(evaluation.warnings.join(), /found empty hash, assuming 'sha256-A{43}='/);
  assert.match(evaluation.drvText(make(`${HASH} outputHashAlgo = "none";`)), /"sha256","ba7816bf/);
});

test("importing a .drv gives the package it stands for", () => {
  const evaluation = new TestEvaluation();
  const two = make('outputs = [ "out" "dev" ];');
  assert.deepEqual(
    evaluation.value(`let d = ${two}; i = import d.drvPath; in
      [ i.outputName (i.out.outPath == d.outPath) (map (o: o.outputName) i.all) i.name i.type (i.drvPath == d.drvPath) ]`),
    ["dev", true, ["dev", "out"], "x", "derivation", true],
  );
});
