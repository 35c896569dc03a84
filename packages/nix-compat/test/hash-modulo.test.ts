import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHash } from "@firn/hash";
import { need } from "../../../dev/need.ts";
import { parseDerivation, printDerivation } from "../src/aterm.ts";
import { type Derivation, type DerivationOutput, fixedOutput, sortedMap, UNFILLED_OUTPUT } from "../src/derivation.ts";
import {
  type DerivationModulo,
  derivationPath,
  fillOutputPaths,
  hashDerivationModulo,
  hashMaskedDerivationModulo,
} from "../src/hash-modulo.ts";
import { parseAbsoluteStorePath } from "../src/store-path.ts";
import { downstreamPlaceholder } from "../src/store-path-hash.ts";
import { nixSandbox } from "./nix.ts";

type Parts = {
  name?: string;
  env?: Record<string, string>;
  outputs?: Record<string, DerivationOutput>;
  args?: string[];
  colon?: boolean;
};

/** What `derivation` makes of these attributes, output paths not filled. */
function unfilled({
  name = "foo",
  env = {},
  outputs = { out: UNFILLED_OUTPUT },
  args = [],
  colon = false,
}: Parts): Derivation {
  const builder = colon ? ":" : "/bin/sh";
  const system = colon ? ":" : "x86_64-linux";
  const empty = Object.fromEntries(Object.keys(outputs).map((output) => [output, ""]));
  const whole = sortedMap(Object.entries({ ...empty, builder, name, system, ...env }));
  return {
    name,
    outputs: sortedMap(Object.entries(outputs)),
    inputDrvs: new Map(),
    inputSrcs: [],
    system,
    builder,
    args,
    env: whole,
  };
}

function noInputs(drvPath: string): DerivationModulo {
  throw new Error(`unexpected input ${drvPath}`);
}

test("output paths of derivations without inputs agree with C++ Nix", () => {
  const digests = {
    sha256: "sha256-Q3QXOoy+iN4VK2CflvRulYvPZXYgF0dO7FoF7CvWFTA=",
    sha1: "sha1-VUCRC+16gU5lcrLYHlPSUyx0Y/Q=",
    md5: "md5-07BzhNET7exJ6qYjitX/AA==",
  };
  const fixed = (method: "flat" | "nar", hash: string, name?: string): Parts => ({
    name,
    outputs: { out: fixedOutput(method, parseHash(hash)) },
  });
  const cases: readonly [Parts, string][] = [
    [fixed("nar", digests.sha256), "17wgs52s7kcamcyin4ja58njkf91ipq8-foo"],
    [fixed("nar", digests.sha256, "foo2"), "gi0p8vd635vpk1nq029cz3aa3jkhar5k-foo2"],
    [fixed("nar", digests.sha1), "p5sammmhpa84ama7ymkbgwwzrilva24x-foo"],
    [fixed("nar", digests.md5), "gmmxgpy1jrzs86r5y05wy6wiy2m15xgi-foo"],
    [fixed("flat", digests.sha256), "q4pkwkxdib797fhk22p0k3g1q32jmxvf-foo"],
    [fixed("flat", digests.sha1), "zgpnjjmga53d8srp8chh3m9fn7nnbdv6-foo"],
    [fixed("flat", digests.md5), "jfhcwnq1852ccy9ad9nakybp2wadngnd-foo"],
    [{}, "xpcvxsx5sw4rbq666blz6sxqlmsqphmr-foo"],
    [{ args: ["--foo", "42", "--bar"] }, "365gi78n2z7vwc1bvgb98k0a9cqfp6as-foo"],
    [{ colon: true, env: { passAsFile: "bar", bar: "baz" } }, "25gf0r1ikgmh4vchrn8qlc4fnqlsa5a1-foo"],
    [
      { outputs: { foo: UNFILLED_OUTPUT, bar: UNFILLED_OUTPUT }, env: { outputs: "foo bar" } },
      "hkwdinvz2jpzgnjy9lv34d2zxvclj4s3-foo-foo",
    ],
  ];
  for (const [parts, expected] of cases) {
    const { derivation } = fillOutputPaths(unfilled(parts), noInputs);
    const first = Object.keys(parts.outputs ?? { out: 1 })[0];
    assert.equal(derivation.outputs.get(first)?.path, `/nix/store/${expected}`);
    assert.equal(derivation.env.get(first), `/nix/store/${expected}`);
  }
});

test("the modulo of a fixed-output derivation depends on its output alone, its dependant's on that", () => {
  const cases = [
    {
      algorithm: "sha256",
      digest: "08813cbee9903c62be4c5027726a418a300da4500b2d369d3af9286f4815ceba",
      modulo: "724f3e3634fce4cbbbd3483287b8798588e80280660b9a63fd13a1bc90485b33",
      drvPaths: ["0hm2f1psjpcwg8fijsmr4wwxrx59s092-bar.drv", "4wvvbi4jwn0prsdxb7vs673qa5h9gr7x-foo.drv"],
      outPath: "5vyvcwah9l9kf07d52rcgdk70g2f4y13-foo",
    },
    {
      algorithm: "sha1",
      digest: "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33",
      modulo: "c79aebd0ce3269393d4a1fde2cbd1d975d879b40f0bf40a48f550edc107fd5df",
      drvPaths: ["ss2p4wmxijn652haqyd7dckxwl4c7hxx-bar.drv", "ch49594n9avinrf8ip0aslidkc4lxkqv-foo.drv"],
      outPath: "fhaj6gmwns62s6ypkcldbaj2ybvkhx3p-foo",
    },
  ];
  for (const { algorithm, digest, modulo, drvPaths, outPath } of cases) {
    const env = { outputHash: digest, outputHashAlgo: algorithm, outputHashMode: "recursive" };
    const outputs = { out: fixedOutput("nar", parseHash(`${algorithm}:${digest}`)) };
    const bar = fillOutputPaths(unfilled({ name: "bar", colon: true, env, outputs }), noInputs);
    assert.deepEqual(bar.modulo, { hex: modulo, deferred: false });
    assert.equal(derivationPath(bar.derivation).toString(), drvPaths[0]);
    const foo = unfilled({ colon: true, env: { bar: bar.derivation.env.get("out") as string } });
    const inputDrvs = new Map([[derivationPath(bar.derivation).absolute(), ["out"]]]);
    const dependant = fillOutputPaths({ ...foo, inputDrvs }, () => bar.modulo);
    assert.equal(dependant.derivation.env.get("out"), `/nix/store/${outPath}`);
    assert.equal(derivationPath(dependant.derivation).toString(), drvPaths[1]);
  }
});

test("inputs that share a modulo are merged into one", () => {
  const drv = (names: [string, string[]][]) => ({ ...unfilled({}), inputDrvs: new Map(names) });
  const shared = () => ({ hex: "00", deferred: false });
  const two = drv([
    ["/nix/store/a.drv", ["out"]],
    ["/nix/store/b.drv", ["dev", "out"]],
  ]);
  const one = drv([["/nix/store/c.drv", ["dev", "out"]]]);
  assert.deepEqual(hashMaskedDerivationModulo(two, shared), hashMaskedDerivationModulo(one, shared));
  assert.notDeepEqual(
    hashMaskedDerivationModulo(two, (path) => ({ hex: path, deferred: false })),
    hashMaskedDerivationModulo(one, shared),
  );
});

test("filling leaves its argument alone and adds variables that were missing in their place", () => {
  const drv = unfilled({});
  const bare = { ...drv, env: new Map([...drv.env].filter(([name]) => name !== "out")) };
  const before = printDerivation(bare);
  assert.equal(
    printDerivation(fillOutputPaths(bare, noInputs).derivation),
    printDerivation(fillOutputPaths(drv, noInputs).derivation),
  );
  assert.equal(printDerivation(bare), before);
});

const EXPRESSION = `
  let
    base = { system = "x86_64-linux"; builder = "/bin/sh"; };
    make = attrs: derivation (base // attrs);
    fixed = make { name = "fixed"; outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = "08813cbee9903c62be4c5027726a418a300da4500b2d369d3af9286f4815ceba"; };
    mirror = make { name = "fixed"; url = "elsewhere"; outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = "08813cbee9903c62be4c5027726a418a300da4500b2d369d3af9286f4815ceba"; };
    flat = make { name = "flat"; outputHashAlgo = "sha1"; outputHash = "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"; };
    multi = make { name = "multi"; outputs = [ "out" "dev" "a-doc" ]; args = [ "-c" "x \\"y\\" \\\\ \\n\\t\\r" ]; };
    source = builtins.toFile "source" "text of ${"$"}{source2}";
    source2 = builtins.toFile "source2" "more";
    floating = make { name = "floating"; __contentAddressed = true; outputHashAlgo = "sha256"; outputHashMode = "recursive"; outputs = [ "out" "dev" ]; };
    impure = make { name = "impure"; __impure = true; outputHashAlgo = "sha256"; outputHashMode = "flat"; };
  in [
    (make { name = "collapse"; a = fixed; b = mirror; c = flat; })
    (make { name = "user"; d = multi.dev; o = multi.out; s = source; utf = "\u{e9}"; deep = multi.drvPath; "weird\\"name" = "''$"; })
    (make { name = "downstream"; f = floating.dev; })
    (make { name = "further"; f = make { name = "downstream2"; g = floating; }; })
    (make { name = "needs-impure"; i = impure; })
    (make { name = "structured"; __structuredAttrs = true; list = [ 1 2.5 null true { a = source; } ]; })
  ]`;

test(
  "every .drv file nix-instantiate writes is read, printed, hashed and filled alike",
  need("nix-instantiate"),
  () => {
    const { texts } = nixSandbox().instantiate(EXPRESSION);
    assert.ok(texts.size >= 13, `only ${texts.size} derivations`);
    const modulos = new Map<string, DerivationModulo>();
    const nameOf = (path: string) => parseAbsoluteStorePath(path).name.slice(0, -".drv".length);
    const moduloOf = (path: string): DerivationModulo => {
      const known = modulos.get(path);
      if (known !== undefined) return known;
      const text = texts.get(path);
      assert.ok(text !== undefined, `no text of ${path}`);
      const drv = parseDerivation(text, nameOf(path));
      assert.equal(printDerivation(drv), text);
      assert.equal(derivationPath(drv).absolute(), path);
      const modulo = hashDerivationModulo(drv, moduloOf);
      const filled = fillOutputPaths(emptied(drv), moduloOf);
      assert.equal(filled.text, text);
      assert.equal(printDerivation(filled.derivation), text);
      assert.deepEqual(filled.modulo, modulo);
      modulos.set(path, modulo);
      return modulo;
    };
    for (const path of texts.keys()) moduloOf(path);

    const deferred = [...modulos].filter(([, modulo]) => modulo.deferred).map(([path]) => nameOf(path));
    assert.deepEqual(deferred.sort(), ["downstream", "downstream2", "floating", "further", "impure", "needs-impure"]);
    const pathOf = (name: string) =>
      parseAbsoluteStorePath([...texts.keys()].find((path) => nameOf(path) === name) as string);
    const envOf = (name: string) => parseDerivation(texts.get(pathOf(name).absolute()) as string, name).env;
    assert.equal(envOf("downstream").get("f"), downstreamPlaceholder(pathOf("floating"), "dev"));
    assert.equal(envOf("downstream2").get("g"), downstreamPlaceholder(pathOf("floating"), "out"));
    assert.equal(envOf("needs-impure").get("i"), downstreamPlaceholder(pathOf("impure"), "out"));
  },
);

/** The derivation as it is before its paths are known. */
function emptied(drv: Derivation): Derivation {
  const outputs = new Map<string, DerivationOutput>();
  const env = new Map(drv.env);
  for (const [name, output] of drv.outputs) {
    outputs.set(name, output.kind === "deferred" ? UNFILLED_OUTPUT : { ...output, path: "" });
    env.set(name, "");
  }
  return { ...drv, outputs, env };
}
