import assert from "node:assert/strict";
import { test } from "node:test";
import { collectBytes } from "@firn/base";
import { HASH_ALGORITHMS, type HashAlgorithm, hashByteString, hashBytes } from "@firn/hash";
import { fixedOutput, parseAbsoluteStorePath, UNFILLED_OUTPUT } from "@firn/nix-compat";
import { calculateNar, renderNar } from "@firn/store";
import { derivationRecipe } from "../src/derivation-recipe.ts";
import { registerOutputs } from "../src/register-outputs.ts";
import { derive, fileOf, memoryStores, outputOf, type Written } from "./derivations.ts";

/** Registers a derivation without inputs whose outputs are these files. */
async function register(written: Written, contents: readonly string[], stores = memoryStores()) {
  const { drvPath, derivation } = written;
  const { recipe } = derivationRecipe(derivation, new Map());
  const nodes = await Promise.all(contents.map((text) => fileOf(stores.blobs, text)));
  const outputs = recipe.outputs.map((path, index) => ({ path, node: nodes[index], needles: [] }));
  await registerOutputs({ drvPath, derivation, recipe, outputs }, { ...stores, storeDir: "/nix/store" }, {});
  return stores.pathInfos.get(parseAbsoluteStorePath(outputOf(written)).hashPart);
}

test("fixed outputs are checked flat and as NAR, with every algorithm", async () => {
  const stores = memoryStores();
  const nar = await collectBytes(
    renderNar(await fileOf(stores.blobs, "payload"), stores),
    1000,
    () => new Error("too long"),
  );
  for (const algorithm of HASH_ALGORITHMS) {
    for (const method of ["flat", "nar"] as const) {
      const bytes = method === "flat" ? hashByteString(algorithm, "payload") : hashBytes(algorithm, nar);
      const written = derive(`${method}-${algorithm}`, { outputs: { out: fixedOutput(method, { algorithm, bytes }) } });
      await assert.rejects(register(written, ["Payload"]), { code: "hash-mismatch" });
      const info = await register(written, ["payload"]);
      assert.equal(info?.contentAddress?.method, method);
      assert.deepEqual(info?.contentAddress?.hash, { algorithm, bytes });
    }
  }
});

test("fixed outputs are checked as texts and as git has them", async () => {
  const cases: readonly (readonly ["text" | "git", HashAlgorithm, string])[] = [
    ["text", "sha256", "payload"],
    ["git", "sha1", "blob 7\0payload"],
    ["git", "sha256", "blob 7\0payload"],
  ];
  for (const [method, algorithm, hashed] of cases) {
    const hash = { algorithm, bytes: hashByteString(algorithm, hashed) };
    const written = derive(`${method}-${algorithm}`, { outputs: { out: fixedOutput(method, hash) } });
    await assert.rejects(register(written, ["Payload"]), { code: "hash-mismatch" });
    assert.deepEqual((await register(written, ["payload"]))?.contentAddress, { method, hash });
  }
});

test("a fixed output whose path does not follow from its hash is refused", async () => {
  const written = derive("moved", {
    outputs: { out: fixedOutput("flat", { algorithm: "sha256", bytes: hashByteString("sha256", "x") }) },
  });
  const [[name, output]] = written.derivation.outputs;
  const moved = { ...output, path: output.path.replace("/nix/store/", "/nix/store/0").replace(/(?<=\w{32})\w/, "") };
  const derivation = { ...written.derivation, outputs: new Map([[name, moved]]) };
  await assert.rejects(register({ ...written, derivation }, ["x"]), {
    code: "invalid-derivation",
    message: /has incorrect output/,
  });
});

test("losing the race against another builder is no failure, and the first one's contents stay", async () => {
  const stores = memoryStores();
  const written = derive("race", { outputs: { doc: UNFILLED_OUTPUT, out: UNFILLED_OUTPUT } });
  const put = stores.pathInfos.put.bind(stores.pathInfos);
  let isFirst = true;
  stores.pathInfos.put = async (infos, options) => {
    if (isFirst) {
      isFirst = false;
      const node = await fileOf(stores.blobs, "theirs");
      const nar = await calculateNar(node, stores);
      await put(infos.map((info) => ({ ...info, node, ...nar })));
    }
    return put(infos, options);
  };
  const info = await register(written, ["ours", "ours, too"], stores);
  assert.deepEqual(info?.node, await fileOf(stores.blobs, "theirs"));
});
