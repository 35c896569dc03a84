import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf } from "@firn/base";
import { hashByteString } from "@firn/hash";
import {
  DEFAULT_STORE_DIR,
  type Derivation,
  type DerivationOutput,
  floatingOutput,
  makeFixedOutputPath,
  makeTextPath,
  parseAbsoluteStorePath,
  printDerivation,
  sortedSet,
} from "@firn/nix-compat";
import { calculateNar } from "@firn/store";
import { need } from "../../../dev/need.ts";
import { derivationReader } from "../src/build-plan.ts";
import { closureOf } from "../src/closure.ts";
import { DerivationAttributes } from "../src/derivation-attributes.ts";
import { derivationRecipe } from "../src/derivation-recipe.ts";
import { exportedGraphs } from "../src/exported-graphs.ts";
import { RealisedOutputs } from "../src/realised-outputs.ts";
import { writePending } from "../src/write-pending.ts";
import { derive, fileOf, memoryStores } from "./derivations.ts";
import { nixBuild } from "./nix-build.ts";

const storeDir = DEFAULT_STORE_DIR;
const sandboxed = { ...need("nix-build"), ...need("busybox") };

const COMMON = 'system = "x86_64-linux"; builder = "/bin/busybox";';
const SOURCES = `a = builtins.toFile "a" "end"; b = builtins.toFile "b" "see \${a}"; c = builtins.toFile "c" "alone";
  dep = derivation { name = "dep"; ${COMMON} args = [ "sh" "-c" "echo \${b} > $out" ]; };`;

/** A store that holds what SOURCES and the build of `dep` make. */
async function storesWith(depPath: string, dep: Derivation) {
  const stores = memoryStores();
  const lease = await stores.leases.openLease("test");
  const a = makeTextPath("a", "end", []);
  const b = makeTextPath("b", `see ${a.absolute()}`, [a]);
  const c = makeTextPath("c", "alone", []);
  await writePending(
    [
      { kind: "text", path: a.absolute(), text: "end", references: [] },
      { kind: "text", path: b.absolute(), text: `see ${a.absolute()}`, references: [a.absolute()] },
      { kind: "text", path: c.absolute(), text: "alone", references: [] },
      { kind: "derivation", path: depPath, text: printDerivation(dep), references: sortedSet(dep.inputSrcs) },
    ],
    stores,
    { now: () => 0, lease },
  );
  const node = await fileOf(stores.blobs, `${b.absolute()}\n`);
  const path = parseAbsoluteStorePath((dep.outputs.get("out") as DerivationOutput).path);
  const nar = await calculateNar(node, stores);
  await stores.pathInfos.put([{ path, node, ...nar, references: [b], signatures: [], registeredAt: 0 }]);
  return stores;
}

function partsOf(stores: ReturnType<typeof memoryStores>) {
  const readDerivation = derivationReader(stores.blobs, stores.pathInfos, storeDir);
  return { ...stores, storeDir, readDerivation, realised: new RealisedOutputs({ ...stores, storeDir }) };
}

/** The recipe's files for a derivation that C++ Nix has built, by name. */
async function filesOf(nix: ReturnType<typeof nixBuild>): Promise<Map<string, string>> {
  const [depPath] = nix.derivation.inputDrvs.keys();
  const dep = nix.read(depPath);
  const stores = await storesWith(depPath, dep);
  const depOutput = (dep.outputs.get("out") as DerivationOutput).path;
  const inputs = await closureOf(stores.pathInfos, [...nix.derivation.inputSrcs, depOutput]);
  const attributes = new DerivationAttributes(nix.derivation);
  const parts = partsOf(stores);
  const graphs = await exportedGraphs(nix.derivation, attributes, inputs, parts, {});
  const nodes = new Map(Array.from(inputs, ([path, { node }]) => [path, node]));
  const { recipe } = derivationRecipe(nix.derivation, nodes, { graphs });
  return new Map(recipe.files.map(({ path, contents }) => [path.slice("build/".length), textOf(contents)]));
}

test("graphs are the files C++ Nix writes, byte for byte", sandboxed, async () => {
  const nix = nixBuild(`let ${SOURCES} in derivation { name = "plain"; ${COMMON}
    args = [ "sh" "-c" "/bin/busybox mkdir $out; /bin/busybox cp /build/* $out/" ];
    exportReferencesGraph = [ "one" b "two.list" "\${c}/below" "built" dep "all" dep.drvPath ]; }`);
  const files = await filesOf(nix);
  assert.deepEqual([...files.keys()], ["all", "built", "one", "two.list"]);
  for (const [name, contents] of files) assert.equal(contents, nix.output(name).toString("utf8"), nix.log);
  assert.equal(
    files
      .get("all")
      ?.split("\n")
      .filter((line) => line.endsWith("-dep")).length,
    1,
  );
});

test("graphs among structured attributes are the lists C++ Nix writes, byte for byte", sandboxed, async () => {
  const nix = nixBuild(`let ${SOURCES} in derivation { name = "structured"; ${COMMON} __structuredAttrs = true;
    args = [ "sh" "-c" "/bin/busybox mkdir \${placeholder "out"}; /bin/busybox cp /build/.attrs.json \${placeholder "out"}/json; /bin/busybox cp /build/.attrs.sh \${placeholder "out"}/sh" ];
    one = "replaced"; exportReferencesGraph = { one = [ b ]; all = [ dep.drvPath c ]; single = dep; none = [ ]; }; }`);
  const files = await filesOf(nix);
  const VALID = ',"valid":true'; // which nix-bin 2.8 does not write yet
  assert.ok(files.get(".attrs.json")?.includes(VALID));
  assert.equal(files.get(".attrs.json")?.replaceAll(VALID, ""), nix.output("json").toString("utf8"), nix.log);
  assert.equal(files.get(".attrs.sh"), nix.output("sh").toString("utf8"));
  const one: { narSize: number; closureSize: number }[] = JSON.parse(files.get(".attrs.json") ?? "").one;
  assert.deepEqual(one.map(({ narSize, closureSize }) => closureSize - narSize).sort(), [0, 120]);
});

test("a graph of what is no input, or said badly, is refused in Nix's words", async () => {
  const graphsOf = async (env: Record<string, string>) => {
    const { derivation } = derive("bad", { env });
    const parts = partsOf(memoryStores());
    return await exportedGraphs(derivation, new DerivationAttributes(derivation), new Map(), parts, {});
  };
  const path = `/nix/store/${"0".repeat(32)}-a`;
  const cases = [
    ["one", "invalid-derivation", /^odd number of tokens in 'exportReferencesGraph': 'one'$/],
    [`-x ${path}`, "invalid-derivation", /^invalid file name '-x' in 'exportReferencesGraph'$/],
    [`../x ${path}`, "invalid-derivation", /^invalid file name '..\/x'/],
    [`x ${path}/y`, "build-failed", /^cannot export references of path '.*-a' because it is not in the input closure/],
  ] as const;
  for (const [exportReferencesGraph, code, message] of cases) {
    await assert.rejects(graphsOf({ exportReferencesGraph }), { code, message });
  }
  const structured = { __json: '{"exportReferencesGraph":{"x":1}}' };
  await assert.rejects(graphsOf(structured), { message: "'exportReferencesGraph' value is not an array or a string" });
  assert.equal((await graphsOf({ __json: '{"exportReferencesGraph":["x"]}' })).size, 0);
});

test("a derivation in a graph has the outputs it came out as, where these follow from contents", async () => {
  const floating = derive("floating", { outputs: { out: floatingOutput("nar", "sha256") } });
  const top = derive("top", { env: { exportReferencesGraph: `all ${floating.drvPath}` } });
  const stores = memoryStores();
  const lease = await stores.leases.openLease("test");
  await writePending([floating.pending], stores, { now: () => 0, lease });
  const inputs = await closureOf(stores.pathInfos, [floating.drvPath]);
  const graphOf = async () => {
    const attributes = new DerivationAttributes(top.derivation);
    const graphs = await exportedGraphs(top.derivation, attributes, inputs, partsOf(stores), { lease });
    return [...(graphs.get("all") as ReadonlyMap<string, unknown>).keys()].sort();
  };
  await assert.rejects(graphOf(), { code: "missing-input", message: /^output 'out' of derivation '.*-floating\.drv'/ });
  const node = await fileOf(stores.blobs, "made");
  const path = makeFixedOutputPath({
    method: "flat",
    hash: { algorithm: "sha256", bytes: hashByteString("sha256", "made") },
    name: "floating",
  });
  const nar = await calculateNar(node, stores);
  await stores.pathInfos.put([{ path, node, ...nar, references: [], signatures: [], registeredAt: 0 }]);
  const drvPath = parseAbsoluteStorePath(floating.drvPath);
  await stores.realisations.put([{ drvPath, output: "out", path, signatures: [] }]);
  assert.deepEqual(await graphOf(), [floating.drvPath, path.absolute()].sort());
});
