import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf } from "@firn/base";
import { ReferenceScanner } from "@firn/build";
import { type Derivation, type DerivationOutput, makeTextPath, UNFILLED_OUTPUT } from "@firn/nix-compat";
import { need } from "../../../dev/need.ts";
import { closureOf } from "../src/closure.ts";
import { derivationRecipe } from "../src/derivation-recipe.ts";
import { registerOutputs } from "../src/register-outputs.ts";
import { writePending } from "../src/write-pending.ts";
import { derive, fileOf, memoryStores, type Written } from "./derivations.ts";
import { nixBuild } from "./nix-build.ts";

const a = makeTextPath("a", "end", []);
const b = makeTextPath("b", `see ${a.absolute()}`, [a]);

function pathOf(derivation: Derivation, output: string): string {
  return (derivation.outputs.get(output) as DerivationOutput).path;
}

/** Registers files as what a builder made of the derivation, whose inputs are `a` and `b`; yields path infos by output. */
async function register(
  { drvPath, derivation }: Pick<Written, "drvPath" | "derivation">,
  contents: Readonly<Record<string, string>>,
) {
  const stores = memoryStores();
  await writePending(
    [
      { kind: "text", path: a.absolute(), text: "end", references: [] },
      { kind: "text", path: b.absolute(), text: `see ${a.absolute()}`, references: [a.absolute()] },
    ],
    stores,
    { now: () => 0 },
  );
  const inputs = await closureOf(stores.pathInfos, [b.absolute()]);
  const nodes = new Map(Array.from(inputs, ([path, { node }]) => [path, node]));
  const { recipe, outputNames } = derivationRecipe(derivation, nodes);
  const outputs = await Promise.all(
    outputNames.map(async (name, index) => {
      const scanner = new ReferenceScanner(recipe.needles);
      scanner.file()(bytesOf(contents[name]));
      return {
        path: recipe.outputs[index],
        node: await fileOf(stores.blobs, contents[name]),
        needles: scanner.found(),
      };
    }),
  );
  await registerOutputs({ drvPath, derivation, recipe, outputs }, { ...stores, storeDir: "/nix/store" }, {});
  const infos = [...(await Array.fromAsync(stores.pathInfos.list()))];
  return new Map(
    outputNames.map((name) => [name, infos.find(({ path }) => path.absolute() === pathOf(derivation, name))]),
  );
}

const cases: Readonly<Record<string, boolean>> = {
  'allowedReferences = [ b "out" "dev" ];': true,
  "allowedReferences = [ b ];": false,
  "allowedReferences = [ ];": false,
  'allowedRequisites = [ a b "dev" ];': true,
  'allowedRequisites = [ b "dev" ];': false,
  'disallowedReferences = [ a "${b}/below" ];': false,
  "disallowedReferences = [ a ];": true,
  'disallowedReferences = [ "dev" ];': false,
  "disallowedRequisites = [ a ];": false,
  "disallowedRequisites = [ ];": true,
  "__structuredAttrs = true; allowedReferences = [ ];": true,
  "__structuredAttrs = true; outputChecks.dev.allowedReferences = [ ];": true,
  "__structuredAttrs = true; outputChecks.out.maxSize = 10;": false,
  "__structuredAttrs = true; outputChecks.out.maxClosureSize = 600; outputChecks.dev.maxSize = 1000;": false,
  '__structuredAttrs = true; outputChecks.out.allowedRequisites = [ a b "dev" ];': false,
  '__structuredAttrs = true; outputChecks.out.allowedRequisites = [ a b "dev" "out" ];': true,
};

for (const [attributes, isGood] of Object.entries(cases)) {
  test(`{ ${attributes} } ${isGood ? "passes" : "is refused in the words of C++ Nix"}`, {
    ...need("nix-build"),
    ...need("busybox"),
  }, async () => {
    const { drvPath, derivation, log } =
      nixBuild(`let a = builtins.toFile "a" "end"; b = builtins.toFile "b" "see \${a}"; in derivation {
      name = "checked"; system = "x86_64-linux"; builder = "/bin/busybox"; outputs = [ "out" "dev" ]; ${attributes}
      args = [ "sh" "-c" ''echo \${b} \${placeholder "dev"} \${placeholder "out"} > \${placeholder "out"}; echo x > \${placeholder "dev"}'' ]; }`);
    const contents = { out: `${b.absolute()} ${pathOf(derivation, "dev")} ${pathOf(derivation, "out")}\n`, dev: "x\n" };
    const said = /^error: ((?:.|\n)*)$/m.exec(log)?.[1].trim().replaceAll(/\n +/g, "\n  ");
    const ours = await register({ drvPath, derivation }, contents).then(
      () => undefined,
      (thrown) => thrown,
    );
    assert.equal(said === undefined, isGood, log);
    assert.equal(ours?.message, said?.replace(/^derivation contains an illegal reference specifier.*$/, ours?.message));
    assert.equal(ours?.code, isGood ? undefined : "build-failed");
  });
}

test("a name that is no output is told with those that are", async () => {
  const written = derive("names", {
    outputs: { out: UNFILLED_OUTPUT, doc: UNFILLED_OUTPUT },
    env: { allowedReferences: "lib" },
  });
  await assert.rejects(register(written, { out: "x", doc: "y" }), {
    code: "build-failed",
    message: `derivation '${written.drvPath}' output check for 'doc' contains output name 'lib', but this is not a valid output of this derivation. (Valid outputs are [doc, out].)`,
  });
});

test("self-references may be ignored in structured checks, too", async () => {
  const checks = (more: object) => ({
    __json: JSON.stringify({ outputChecks: { out: { allowedRequisites: [], ...more } } }),
  });
  const strict = derive("strict", { env: checks({}) });
  await assert.rejects(register(strict, { out: pathOf(strict.derivation, "out") }), { code: "build-failed" });
  const lax = derive("lax", { env: checks({ ignoreSelfRefs: true }) });
  assert.ok((await register(lax, { out: pathOf(lax.derivation, "out") })).get("out"));
});

test("checks that are said badly are refused", async () => {
  for (const [json, message] of [
    ['{"outputChecks":[]}', /'outputChecks' of derivation 'bad' must be an object/],
    ['{"outputChecks":{"out":1}}', /'outputChecks."out"' .* must be an object/],
    ['{"outputChecks":{"out":{"maxSize":"1"}}}', /'outputChecks."out".maxSize' .* a number of bytes/],
    ['{"outputChecks":{"out":{"allowedReferences":[1]}}}', /a list of strings/],
    ['{"unsafeDiscardReferences":{"out":"1"}}', /an object of booleans/],
  ] as const) {
    const bad = derive("bad", { env: { __json: json } });
    await assert.rejects(register(bad, { out: "" }), { code: "invalid-derivation", message });
  }
});

test("references that are discarded are neither kept nor checked", async () => {
  const attributes = {
    unsafeDiscardReferences: { out: true, dev: false },
    outputChecks: { out: { allowedReferences: [] } },
  };
  const written = derive("image", {
    outputs: { out: UNFILLED_OUTPUT, dev: UNFILLED_OUTPUT },
    env: { __json: JSON.stringify(attributes) },
  });
  const made = await register(written, { out: b.absolute(), dev: b.absolute() });
  assert.deepEqual(made.get("out")?.references, []);
  assert.deepEqual(
    made.get("dev")?.references.map((path) => path.absolute()),
    [b.absolute()],
  );
});

test("a ring of outputs is told in the words of C++ Nix", { ...need("nix-build"), ...need("busybox") }, async () => {
  const refersTo: Readonly<Record<string, string>> = { out: "dev", lib: "out", dev: "lib", bin: "dev" };
  const script = Object.entries(refersTo).map(
    ([name, to]) => `echo \${placeholder "${to}"} > \${placeholder "${name}"};`,
  );
  const { drvPath, derivation, log } = nixBuild(`derivation {
    name = "ring"; system = "x86_64-linux"; builder = "/bin/busybox"; outputs = [ "out" "lib" "dev" "bin" ];
    args = [ "sh" "-c" ''${script.join(" ")}'' ]; }`);
  const contents = Object.entries(refersTo).map(([name, to]) => [name, `${pathOf(derivation, to)}\n`]);
  await assert.rejects(register({ drvPath, derivation }, Object.fromEntries(contents)), {
    code: "build-failed",
    message: /^error: (.*)$/m.exec(log)?.[1],
  });
});
