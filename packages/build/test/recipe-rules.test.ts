import assert from "node:assert/strict";
import { test } from "node:test";
import type { Digest } from "@firn/castore";
import { BuildError } from "../src/error.ts";
import type { Recipe } from "../src/recipe.ts";
import { checkRecipe } from "../src/recipe-rules.ts";
import { digestA, directoryNode, fileNode, fullRecipe, recipeOf } from "./recipes.ts";

test("good recipes pass", () => {
  checkRecipe(recipeOf());
  checkRecipe(fullRecipe);
  // `-` sorts before `/`, so what lies below is not always the neighbour
  checkRecipe(recipeOf({ inputs: ["nix/store/a", "nix/store/a-b"].map((path) => ({ path, node: fileNode })) }));
});

const inputs = (...paths: string[]) => ({ inputs: paths.map((path) => ({ path, node: fileNode })) });
const constraints = (change: Partial<Recipe["constraints"]>) => ({
  constraints: { ...recipeOf().constraints, ...change },
});

const bad: [what: string, field: string, change: Partial<Recipe>][] = [
  ["no program", "argv", { argv: [] }],
  ["a relative program", "argv", { argv: ["bin/sh"] }],
  ["NUL in an argument", "argv", { argv: ["/bin/sh", "a\0b"] }],
  ["a character that is no byte", "argv", { argv: ["/bin/sh", "\u0100"] }],
  ["an absolute path", "inputs", inputs("/nix/store/a")],
  ["an empty path", "inputs", inputs("")],
  ["an empty part", "inputs", inputs("nix//a")],
  ["a dot", "inputs", inputs("nix/./a")],
  ["two dots", "inputs", inputs("nix/../a")],
  ["NUL in a path", "inputs", inputs("nix/a\0")],
  ["a name that is too long", "inputs", inputs(`nix/${"n".repeat(256)}`)],
  ["a path that is too long", "inputs", inputs(`${"nix/".repeat(1100)}a`)],
  ["unsorted inputs", "inputs", inputs("nix/b", "nix/a")],
  ["an input twice", "inputs", inputs("nix/a", "nix/a")],
  ["an input below another", "inputs", inputs("nix/a", "nix/a-b", "nix/a/c")],
  [
    "a bad digest",
    "inputs",
    { inputs: [{ path: "nix/a", node: { ...directoryNode, digest: "x" as Digest } as never }] },
  ],
  ["a negative size", "inputs", { inputs: [{ path: "nix/a", node: { ...fileNode, size: -1 } as never }] }],
  ["a fraction as output", "inputs", { inputs: [{ path: "nix/a", recipe: digestA, output: 0.5 }] }],
  [
    "unsorted variables",
    "env",
    {
      env: [
        { name: "b", value: "" },
        { name: "a", value: "" },
      ],
    },
  ],
  [
    "a variable twice",
    "env",
    {
      env: [
        { name: "a", value: "1" },
        { name: "a", value: "2" },
      ],
    },
  ],
  ["a variable without name", "env", { env: [{ name: "", value: "" }] }],
  ["= in a name", "env", { env: [{ name: "a=b", value: "" }] }],
  ["NUL in a value", "env", { env: [{ name: "a", value: "\0" }] }],
  [
    "unsorted files",
    "files",
    {
      files: [
        { path: "build/b", contents: "" },
        { path: "build/a", contents: "" },
      ],
    },
  ],
  [
    "a file below a file",
    "files",
    {
      files: [
        { path: "build/a", contents: "" },
        { path: "build/a/b", contents: "" },
      ],
    },
  ],
  ["a file in an input", "files", { ...inputs("nix/a"), files: [{ path: "nix/a/f", contents: "" }] }],
  ["no outputs", "outputs", { outputs: [] }],
  ["an output twice", "outputs", { outputs: ["nix/a", "nix/a"] }],
  ["an output below another", "outputs", { outputs: ["nix/a", "nix/a/b"] }],
  ["an output above another", "outputs", { outputs: ["nix/a/b", "nix/a"] }],
  ["an output in the root", "outputs", { outputs: ["out"] }],
  ["an output that is an input", "outputs", { ...inputs("nix/a"), outputs: ["nix/a"] }],
  ["an output in the working directory", "outputs", { outputs: ["build/out"] }],
  ["an input in the working directory", "workingDirectory", inputs("build/a")],
  ["the working directory on an input", "workingDirectory", { ...inputs("work"), workingDirectory: "work" }],
  ["an input in /proc", "inputs", inputs("proc/a")],
  ["an output in /dev", "outputs", { outputs: ["dev/null"] }],
  ["an input on the shell's place", "inputs", inputs("bin")],
  ["no system", "constraints.system", constraints({ system: "" })],
  ["unsorted features", "constraints.features", constraints({ features: ["kvm", "big-parallel"] })],
  ["an empty needle", "needles", { needles: [""] }],
  ["a needle twice", "needles", { needles: ["a", "a"] }],
  ["a needle that is too long", "needles", { needles: ["a".repeat(4097)] }],
];

for (const [what, field, change] of bad) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => checkRecipe(recipeOf(change)),
      (thrown) => thrown instanceof BuildError && thrown.code === "invalid-recipe" && thrown.context.field === field,
    );
  });
}

test("limits are named", () => {
  assert.throws(
    () => checkRecipe(recipeOf({ needles: Array.from({ length: 131_073 }, (_, i) => `n${i}`) })),
    /at most 131072/,
  );
  assert.throws(
    () => checkRecipe(recipeOf({ files: [{ path: "build/f", contents: "x".repeat(64 * 1024 * 1024 + 1) }] })),
    /at most 67108864/,
  );
});

test("without a shell, bin belongs to the recipe", () => {
  checkRecipe(recipeOf({ ...inputs("bin"), ...constraints({ shell: false }) }));
});
