import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Digest } from "@firn/castore";
import { encodeRecipe, recipeDigest } from "../src/recipe-digest.ts";
import type { Recipe } from "../src/recipe.ts";
import { digestB, fullRecipe, recipeOf, symlinkNode } from "./recipes.ts";

const specification = readFileSync(new URL("../../../docs/formats/recipe.md", import.meta.url), "utf8");

/** The recipes docs/formats/recipe.md gives digests for. */
const published: Record<string, Recipe> = {
  smallest: recipeOf(),
  link: recipeOf({
    inputs: [{ path: "nix/store/c-link", node: symlinkNode }],
    constraints: { ...recipeOf().constraints, network: true },
  }),
  full: fullRecipe,
  named: recipeOf({ argv0: "sh" }),
};

for (const [name, recipe] of Object.entries(published)) {
  test(`the published vector '${name}' holds`, () => {
    const row = new RegExp(`^\\| ${name} \\| (\\d+) \\| \`([0-9a-f]{64})\` \\|$`, "m").exec(specification);
    assert.ok(row, "the row is in docs/formats/recipe.md");
    assert.equal(encodeRecipe(recipe).length, Number(row[1]));
    assert.equal(recipeDigest(recipe), row[2]);
  });
}

test("the encoding starts with its domain", () => {
  const bytes = encodeRecipe(recipeOf());
  assert.deepEqual(Array.from(bytes.subarray(0, 8)), [14, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(Buffer.from(bytes.subarray(8, 22)).toString(), "firn.recipe.v1");
});

test("every field counts, and nothing moves from one field to the next", () => {
  const constraints = recipeOf().constraints;
  const changes: Partial<Recipe>[] = [
    {},
    { argv: ["/bin/sh", ""] },
    { argv: ["/bin/s", "h"] },
    { argv0: "" },
    { argv0: "sh" },
    { argv0: "/bin/sh" },
    { env: [{ name: "a", value: "b" }] },
    { env: [{ name: "ab", value: "" }] },
    { files: [{ path: "a", contents: "b" }] },
    { workingDirectory: "work" },
    { outputs: ["nix/store/out", "nix/store/dev"] },
    { outputs: ["nix/store/dev", "nix/store/out"] },
    { needles: ["x"] },
    { needles: ["x", "y"] },
    { needles: ["y", "x"] },
    { constraints: { ...constraints, system: "i686-linux" } },
    { constraints: { ...constraints, features: ["kvm"] } },
    { constraints: { ...constraints, network: true } },
    { constraints: { ...constraints, shell: false } },
    { constraints: { ...constraints, sandboxed: false } },
    { argv0: "", constraints: { ...constraints, sandboxed: false } },
    { inputs: [{ path: "a", node: { kind: "file", digest: digestB, size: 1, executable: false } }] },
    { inputs: [{ path: "a", node: { kind: "file", digest: digestB, size: 1, executable: true } }] },
    { inputs: [{ path: "a", node: { kind: "file", digest: digestB, size: 2, executable: true } }] },
    { inputs: [{ path: "a", node: { kind: "directory", digest: digestB, size: 1 } }] },
    { inputs: [{ path: "a", recipe: digestB, output: 1 }] },
    { inputs: [{ path: "a", recipe: digestB, output: 0 }] },
    { inputs: [{ path: "a", recipe: "c".repeat(64) as Digest, output: 0 }] },
    { inputs: [{ path: "a", node: { kind: "symlink", target: "b" } }] },
    { inputs: [{ path: "a", node: { kind: "symlink", target: "c" } }] },
  ];
  assert.equal(new Set(changes.map((change) => recipeDigest(recipeOf(change)))).size, changes.length);
});
