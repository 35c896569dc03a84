/*
A derivation as a recipe: which variables, files, paths and rights its builder gets. This is where Nix's promises to builders are
kept; the build room knows none of it.

Paths inside the sandbox are the store paths themselves, so any store directory works.
*/

import type { ByteString } from "@firn/base";
import type { Recipe } from "@firn/build";
import type { Node } from "@firn/castore";
import {
  DEFAULT_STORE_DIR,
  type Derivation,
  derivationKind,
  parseAbsoluteStorePath,
  sortedMap,
  sortedSet,
} from "@firn/nix-compat";
import { builderEnvironment, mayUseNetwork, placeholderRewriter, type RecipeOptions } from "./builder-environment.ts";
import { checkBuildable } from "./derivation-attributes.ts";

export type DerivationRecipe = {
  readonly recipe: Recipe;
  /** Names of the outputs, in the order of `recipe.outputs`. */
  readonly outputNames: readonly string[];
};

/**
 * The recipe of a derivation (which was asked whether it may see the host) whose outputs have paths, if only scratch paths (address-outputs.ts). `inputs` is the whole runtime closure of
 * all input paths, by absolute store path. Needles are the hash parts of the outputs, then those of the inputs, each in the recipe's order. Throws `unsupported` or `invalid-derivation`.
 */
export function derivationRecipe(
  drv: Derivation,
  inputs: ReadonlyMap<ByteString, Node>,
  options: RecipeOptions = {},
): DerivationRecipe {
  const storeDir = options.storeDir ?? DEFAULT_STORE_DIR;
  const attributes = checkBuildable(drv);
  const outputNames = [...drv.outputs.keys()];
  const outputPaths = Array.from(drv.outputs.values(), ({ path }) => path);
  const inputPaths = sortedSet(inputs.keys());
  const rewrite = placeholderRewriter(drv);
  const { env, files, buildDirectory } = builderEnvironment(drv, options);
  const workingDirectory = buildDirectory.slice(1);
  return {
    recipe: {
      inputs: inputPaths.map((path) => ({ path: path.slice(1), node: inputs.get(path) as Node })),
      argv: [drv.builder, ...drv.args.map(rewrite)],
      argv0: drv.builder.slice(drv.builder.lastIndexOf("/") + 1),
      env: Array.from(sortedMap(env), ([name, value]) => ({ name, value })),
      files: Array.from(sortedMap(files), ([name, contents]) => ({ path: `${workingDirectory}/${name}`, contents })),
      workingDirectory,
      outputs: outputPaths.map((path) => path.slice(1)),
      constraints: {
        system: drv.system,
        features: sortedSet(attributes.words("requiredSystemFeatures")),
        network: mayUseNetwork(derivationKind(drv)),
        shell: true,
        ...(attributes.flag("__noChroot") ? { sandboxed: false } : {}),
      },
      needles: [...outputPaths, ...inputPaths].map((path) => parseAbsoluteStorePath(path, storeDir).hashPart),
    },
    outputNames,
  };
}
