/* Recipes for tests. */

import type { Digest, Node } from "@firn/castore";
import type { Recipe } from "../src/recipe.ts";

export const digestA = "a".repeat(64) as Digest;
export const digestB = "0123456789abcdef".repeat(4) as Digest;
export const fileNode: Node = { kind: "file", digest: digestA, size: 3, executable: true };
export const directoryNode: Node = { kind: "directory", digest: digestB, size: 7 };
export const symlinkNode: Node = { kind: "symlink", target: "/nix/store/x" };

/** The smallest recipe, changed as asked. */
export function recipeOf(change: Partial<Recipe> = {}): Recipe {
  return {
    inputs: [],
    argv: ["/bin/sh"],
    env: [],
    files: [],
    workingDirectory: "build",
    outputs: ["nix/store/out"],
    constraints: { system: "x86_64-linux", features: [], network: false, shell: true },
    needles: [],
    ...change,
  };
}

/** A recipe with something in every place. */
export const fullRecipe: Recipe = recipeOf({
  inputs: [
    { path: "nix/store/a-dir", node: directoryNode },
    { path: "nix/store/b-file", node: fileNode },
    { path: "nix/store/c-link", node: symlinkNode },
    { path: "nix/store/d-built", recipe: digestA, output: 1 },
  ],
  argv: ["/nix/store/a-dir/bin/sh", "-e", "caf\xc3\xa9"],
  env: [
    { name: "PATH", value: "/path-not-set" },
    { name: "out", value: "/nix/store/out" },
  ],
  files: [{ path: "build/.attrs.json", contents: "{}\0\xff" }],
  outputs: ["nix/store/out", "nix/store/dev"],
  constraints: { system: "aarch64-linux", features: ["big-parallel", "kvm"], network: true, shell: false },
  needles: ["0c2wjz3bh1nmx9p5b5d3rqkz2l3s6qk7", "out"],
});
