/* Outputs addressed by their contents: where they go is checked by store's own check of content addresses, which knows nothing of scratch paths. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringOf } from "@firn/base";
import { ReferenceScanner } from "@firn/build";
import { readBlob } from "@firn/castore";
import { derivationKind, floatingOutput, parseAbsoluteStorePath } from "@firn/nix-compat";
import { calculateNar, checkContentAddress, type PathInfo } from "@firn/store";
import fc from "fast-check";
import { withScratchPaths } from "../src/address-outputs.ts";
import { derivationRecipe } from "../src/derivation-recipe.ts";
import { registerOutputs } from "../src/register-outputs.ts";
import { derive, fileOf, memoryStores, outputOf } from "./derivations.ts";

const STORE_DIR = "/nix/store";
const NAMES = ["dev", "doc", "out"];

/** Builds outputs with these contents, in which `@name` stands for where the builder has that output. */
async function build(contents: Readonly<Record<string, string>>) {
  const stores = memoryStores();
  const outputs = Object.fromEntries(Object.keys(contents).map((name) => [name, floatingOutput("nar", "sha256")]));
  const { drvPath, derivation } = derive("it", { outputs });
  const scratch = withScratchPaths(drvPath, derivation, STORE_DIR);
  const { recipe, outputNames } = derivationRecipe(scratch, new Map());
  const made = outputNames.map(async (name, n) => {
    const text = contents[name].replace(/@(dev|doc|out)/g, (_, other) =>
      outputOf({ derivation: scratch } as never, other),
    );
    const scanner = new ReferenceScanner(recipe.needles);
    scanner.file()(Buffer.from(text, "latin1"));
    return { path: recipe.outputs[n], node: await fileOf(stores.blobs, text), needles: scanner.found() };
  });
  const built = { drvPath, derivation: scratch, recipe, outputs: await Promise.all(made) };
  const paths = await registerOutputs(built, { ...stores, storeDir: STORE_DIR }, {});
  const infos = new Map<string, PathInfo>();
  for (const [name, path] of paths) {
    const info = await stores.pathInfos.get(parseAbsoluteStorePath(path).hashPart);
    assert.ok(info);
    infos.set(name, info);
  }
  return { stores, paths, infos, scratch };
}

test("paths follow from contents, and contents speak of final paths only", async () => {
  const word = fc.oneof(fc.constantFrom("@dev", "@doc", "@out"), fc.string({ maxLength: 80, unit: "binary-ascii" }));
  const text = fc.array(word, { maxLength: 6 }).map((words) => words.join(" "));
  const property = fc.asyncProperty(fc.record({ dev: text, doc: text, out: text }), async (drawn) => {
    // An output may mention itself and those before it, so that there is no ring.
    const contents = Object.fromEntries(
      NAMES.map((name, n) => [
        name,
        NAMES.slice(n + 1).reduce((rest, later) => rest.replaceAll(`@${later}`, ""), drawn[name as keyof typeof drawn]),
      ]),
    );
    const { stores, paths, infos, scratch } = await build(contents);
    for (const [name, info] of infos) {
      await checkContentAddress(info, stores);
      const { narSha256, narSize } = await calculateNar(info.node, stores);
      assert.deepEqual([info.narSha256, info.narSize], [narSha256, narSize]);
      assert.ok(info.node.kind === "file");
      const is = byteStringOf(await readBlob(stores.blobs, info.node.digest, 10_000));
      const mentioned = NAMES.filter((other) => contents[name].includes(`@${other}`));
      assert.equal(
        is,
        contents[name].replace(/@(dev|doc|out)/g, (_, other) => paths.get(other) as string),
      );
      const references = info.references.map((path) => path.absolute());
      assert.deepEqual(references, [...new Set(mentioned.map((other) => paths.get(other) as string))].sort());
      for (const { path } of scratch.outputs.values()) assert.ok(!is.includes(path.slice(11, 43)));
    }
  });
  await fc.assert(property, { numRuns: 60, verbose: 1 });
});

test("scratch paths differ by derivation and output, and others keep theirs", () => {
  const one = derive("one", {
    outputs: { out: floatingOutput("nar", "sha256"), doc: floatingOutput("nar", "sha256") },
  });
  const two = derive("two", { outputs: { out: floatingOutput("nar", "sha256") } });
  const scratches = [one, two].flatMap(({ drvPath, derivation }) =>
    Array.from(withScratchPaths(drvPath, derivation, STORE_DIR).outputs.values(), ({ path }) => path),
  );
  assert.equal(new Set(scratches).size, 3);
  const plain = derive("plain");
  assert.equal(derivationKind(plain.derivation), "input-addressed");
  assert.equal(withScratchPaths(plain.drvPath, plain.derivation, STORE_DIR), plain.derivation);
});
