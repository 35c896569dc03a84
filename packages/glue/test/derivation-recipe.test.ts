import assert from "node:assert/strict";
import { test } from "node:test";
import { type ByteString, textOf } from "@firn/base";
import { checkRecipe, type Recipe } from "@firn/build";
import type { Digest, Node } from "@firn/castore";
import { type Derivation, UNFILLED_OUTPUT } from "@firn/nix-compat";
import { need } from "../../../dev/need.ts";
import type { RecipeOptions } from "../src/builder-environment.ts";
import { derivationRecipe } from "../src/derivation-recipe.ts";
import { derive, flatOutput, outputOf } from "./derivations.ts";
import { nixBuild } from "./nix-build.ts";

const noInputs: ReadonlyMap<ByteString, Node> = new Map();

function variables(recipe: Recipe): Record<ByteString, ByteString> {
  return Object.fromEntries(recipe.env.map(({ name, value }) => [name, value]));
}

function filesOf(recipe: Recipe): Record<ByteString, ByteString> {
  return Object.fromEntries(recipe.files.map(({ path, contents }) => [path, contents]));
}

test("paths, needles and names of outputs come in one order", () => {
  const drv = derive("many", { outputs: { out: UNFILLED_OUTPUT, bin: UNFILLED_OUTPUT, dev: UNFILLED_OUTPUT } });
  const node: Node = { kind: "file", digest: "0".repeat(64) as Digest, size: 0, executable: false };
  const [first, second] = [
    "/nix/store/00000000000000000000000000000000-a",
    "/nix/store/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-b",
  ];
  const { recipe, outputNames } = derivationRecipe(
    drv.derivation,
    new Map([
      [second, node],
      [first, node],
    ]),
  );
  checkRecipe(recipe);
  assert.deepEqual(outputNames, ["bin", "dev", "out"]);
  assert.deepEqual(
    recipe.outputs,
    outputNames.map((name) => outputOf(drv, name).slice(1)),
  );
  assert.deepEqual(
    recipe.inputs.map(({ path }) => path),
    [first.slice(1), second.slice(1)],
  );
  assert.deepEqual(
    recipe.needles,
    [...recipe.outputs, first.slice(1), second.slice(1)].map((path) => path.slice(10, 42)),
  );
  assert.deepEqual(
    [recipe.workingDirectory, recipe.constraints.network, recipe.constraints.shell],
    ["build", false, true],
  );
});

test("placeholders of own outputs become paths in arguments, variables and files", () => {
  const out = "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9";
  const drv = derive("self", {
    args: ["-c", `echo > ${out}`],
    env: { there: `${out}/x`, big: `b ${out}`, passAsFile: "big" },
  });
  const { recipe } = derivationRecipe(drv.derivation, noInputs);
  assert.equal(recipe.argv[2], `echo > ${outputOf(drv)}`);
  assert.equal(variables(recipe).there, `${outputOf(drv)}/x`);
  assert.deepEqual(Object.values(filesOf(recipe)), [`b ${outputOf(drv)}`]);
});

test("only a fixed output gets the network and the impure variables it names", () => {
  const env = { impureEnvVars: "http_proxy  nothing" };
  const options: RecipeOptions = {
    impureEnv: new Map([
      ["http_proxy", "there"],
      ["secret", "no"],
    ]),
    cores: 4,
  };
  const fixed = derivationRecipe(
    derive("f", { env, outputs: { out: flatOutput("") } }).derivation,
    noInputs,
    options,
  ).recipe;
  assert.equal(fixed.constraints.network, true);
  const { http_proxy, nothing, secret, NIX_OUTPUT_CHECKED, NIX_BUILD_CORES } = variables(fixed);
  assert.deepEqual(
    [http_proxy, nothing, secret, NIX_OUTPUT_CHECKED, NIX_BUILD_CORES],
    ["there", "", undefined, "1", "4"],
  );
  const plain = derivationRecipe(derive("p", { env }).derivation, noInputs, options).recipe;
  assert.equal(plain.constraints.network, false);
  assert.equal(variables(plain).http_proxy, undefined);
  assert.equal(variables(plain).NIX_OUTPUT_CHECKED, undefined);
});

test("features are words of the environment or a list of the structured attributes", () => {
  const words = derive("w", { env: { requiredSystemFeatures: " kvm\nbig-parallel kvm " } });
  assert.deepEqual(derivationRecipe(words.derivation, noInputs).recipe.constraints.features, ["big-parallel", "kvm"]);
  const list = derive("l", { env: { __json: '{"requiredSystemFeatures":["kvm"]}' } });
  assert.deepEqual(derivationRecipe(list.derivation, noInputs).recipe.constraints.features, ["kvm"]);
  const wrong = derive("x", { env: { __json: '{"requiredSystemFeatures":[1]}' } });
  assert.throws(() => derivationRecipe(wrong.derivation, noInputs), {
    code: "invalid-derivation",
    message: /must be a list of strings/,
  });
});

test("another store directory is where the builder sees its paths", () => {
  const { derivation } = derive("elsewhere");
  const moved: Derivation = {
    ...derivation,
    outputs: new Map([
      [
        "out",
        { kind: "input-addressed", path: "/srv/store/00000000000000000000000000000000-x", hashAlgorithm: "", hash: "" },
      ],
    ]),
  };
  const { recipe } = derivationRecipe(moved, noInputs, { storeDir: "/srv/store" });
  assert.deepEqual(recipe.outputs, ["srv/store/00000000000000000000000000000000-x"]);
  assert.equal(variables(recipe).NIX_STORE, "/srv/store");
});

test("derivations that cannot be built are refused by the name of what they need", () => {
  const cases = [
    [derive("unknown", { builder: "builtin:nothing" }), "unsupported", /builtin:nothing/],
    [derive("relative", { builder: "bin/sh" }), "invalid-derivation", /not an absolute path/],
    [derive("bad", { env: { __json: "{" } }), "invalid-derivation", /is not JSON at byte 1/],
    [derive("list", { env: { __json: "[]" } }), "invalid-derivation", /are no object/],
    [derive("latin", { env: { __json: '{"a":"\xe9"}' } }), "invalid-derivation", /not UTF-8/],
  ] as const;
  for (const [{ derivation }, code, message] of cases) {
    assert.throws(() => derivationRecipe(derivation, noInputs), { code, message });
  }
});

const busybox = { ...need("nix-build"), ...need("busybox") };

/** What `env -0`-less busybox prints, between two marks; only for values of one line. */
function printedVariables(log: string): Record<string, string> {
  const lines = log
    .split("\n")
    .filter((line) => line.startsWith("VAR:"))
    .map((line) => line.slice(4));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

const PRINT_ENVIRONMENT = "/bin/busybox env | /bin/busybox sed s/^/VAR:/";

test("an ordinary derivation's environment and files are those of C++ Nix", busybox, () => {
  const { derivation, log } = nixBuild(
    `derivation {
    name = "env"; system = "x86_64-linux"; builder = "/bin/busybox"; outputs = [ "out" "dev" ];
    args = [ "sh" "-c" "${PRINT_ENVIRONMENT}; for f in $bigPath $smallPath; do echo FILE:$f:$(/bin/busybox base64 $f); done" ];
    PATH = "/mine"; HOME = "/me"; TMPDIR = "/t"; TERM = "dumb"; NIX_LOG_FD = "7"; NIX_BUILD_TOP = "/n"; PWD = "/p"; NIX_STORE = "/s";
    NIX_BUILD_CORES = "9"; self = placeholder "dev"; nothing = ""; spaced = "a  b"; passAsFile = [ "big" "small" "absent" ]; big = "\${placeholder "out"} caf\u00e9"; small = "";
  }`.replaceAll("\\u00e9", "é"),
  );
  const { recipe } = derivationRecipe(derivation, noInputs, { cores: 3 });
  checkRecipe(recipe);
  const { SHLVL, _, ...nix } = printedVariables(log);
  assert.ok(nix.PATH !== undefined, log);
  const { ...ours } = variables(recipe);
  assert.deepEqual(ours, nix);
  const files = Object.fromEntries(
    [...log.matchAll(/^FILE:\/([^:]*):(.*)$/gm)].map(([, path, base64]) => [
      path,
      Buffer.from(base64, "base64").toString("latin1"),
    ]),
  );
  assert.deepEqual(filesOf(recipe), files);
  assert.equal(recipe.files.length, 2);
});

test("a builder goes by the last part of its path, as with C++ Nix", busybox, () => {
  const { derivation, log } = nixBuild(`derivation {
    name = "named"; system = "x86_64-linux"; builder = "/bin/busybox"; args = [ "sh" "-c" "/bin/busybox cat /proc/1/cmdline; true" ];
  }`);
  const { argv, argv0 } = derivationRecipe(derivation, noInputs).recipe;
  assert.ok(log.includes("\nbusybox\0sh\0-c\0"), log);
  assert.deepEqual([argv[0], argv0], ["/bin/busybox", "busybox"]);
});

test("a fixed output's environment is that of C++ Nix", busybox, () => {
  const { derivation, log } = nixBuild(`derivation {
    name = "fetch"; system = "x86_64-linux"; builder = "/bin/busybox"; args = [ "sh" "-c" "${PRINT_ENVIRONMENT}" ];
    outputHashAlgo = "sha256"; outputHashMode = "flat"; outputHash = "0000000000000000000000000000000000000000000000000000";
    impureEnvVars = [ "FIRN_TEST_IMPURE" "FIRN_TEST_ABSENT" ];
  }`);
  const { recipe } = derivationRecipe(derivation, noInputs, {
    cores: 3,
    impureEnv: new Map([["FIRN_TEST_IMPURE", "from outside"]]),
  });
  const { SHLVL, _, ...nix } = printedVariables(log);
  assert.ok(nix.PATH !== undefined, log);
  assert.deepEqual(variables(recipe), nix);
});

test("structured attributes are the files C++ Nix writes, byte for byte", busybox, () => {
  const { derivation, log, output } = nixBuild(`derivation {
    name = "attrs"; system = "x86_64-linux"; builder = "/bin/busybox"; __structuredAttrs = true; outputs = [ "out" "dev" ];
    args = [ "sh" "-c" "${PRINT_ENVIRONMENT}; /bin/busybox mkdir -p \${placeholder "out"} \${placeholder "dev"}; /bin/busybox cp /build/.attrs.json \${placeholder "out"}/json; /bin/busybox cp /build/.attrs.sh \${placeholder "out"}/sh" ];
    string = "it's \\"quoted\\" \\\\ \${"$"}HOME\\n\\t."; empty = ""; unicode = "é€😀"; int = 42; negative = -7; big = 2147483648; bigger = 9007199254740993; whole = 2.0; half = 0.5; tiny = 0.0000015; small = 0.0001; round = 1000000000000000.0; huge = 150000000000000000000.0;
    yes = true; no = false; null = null; "not-a-name" = 1; "a.b" = "x"; "9digits" = 1; _ok9 = "y";
    list = [ "a" "it's" 1 true false null ]; nested = [ [ 1 ] "x" ]; emptyList = [ ]; floats = [ 1.0 ]; mixed = [ 1.5 "x" ];
    set = { b = "2"; a = 1; "with space" = "it's"; c = null; "é" = true; }; deep = { a = { b = 1; }; }; emptySet = { }; own = placeholder "dev"; ownList = [ (placeholder "out") ];
    control = "\${builtins.fromJSON ''"\\u0001\\u001f\\u007f"''}";
    env = { A = "1"; B = "two"; };
  }`);
  const { recipe } = derivationRecipe(derivation, noInputs, { cores: 3 });
  checkRecipe(recipe);
  const files = filesOf(recipe);
  assert.equal(textOf(files["build/.attrs.json"]), output("json").toString("utf8"));
  assert.equal(textOf(files["build/.attrs.sh"]), output("sh").toString("utf8"));
  assert.match(files["build/.attrs.sh"], /^declare -A outputs=\(\['dev'\]='\/nix\/store\/.*-attrs-dev' /m);
  const { SHLVL, _, NIX_ATTRS_JSON_FILE, NIX_ATTRS_SH_FILE, ...nix } = printedVariables(log);
  const { NIX_ATTRS_JSON_FILE: json, NIX_ATTRS_SH_FILE: sh, ...ours } = variables(recipe);
  assert.deepEqual(ours, nix);
  // nix-bin 2.8 names the files where they are outside of the sandbox, which later versions mended.
  assert.deepEqual([json, sh], ["/build/.attrs.json", "/build/.attrs.sh"]);
  assert.match(NIX_ATTRS_SH_FILE, /\/\.attrs\.sh$/);
});
