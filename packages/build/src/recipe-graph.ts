/*
The recipes of a submission and how they wait for each other. There are no circles: a recipe names others by digest, so it cannot be part of what
they are made of.
*/

import type { ByteString } from "@firn/base";
import { type Digest, type Node, quote } from "@firn/castore";
import type { AttemptOutput } from "./attempt.ts";
import type { SubmittedRecipe } from "./build-service.ts";
import { BuildError } from "./error.ts";
import type { Recipe } from "./recipe.ts";
import { recipeDigest } from "./recipe-digest.ts";
import { checkRecipe } from "./recipe-rules.ts";

/** Most recipes of one submission. */
export const SUBMISSION_RECIPES_MAX = 100_000;
/** What an attempt is expected to take of which nothing is known. */
const UNKNOWN_MS = 1000;

/** Digests of the recipes in their order. Throws `invalid-recipe`. */
export function digestsOf(recipes: readonly SubmittedRecipe[]): Digest[] {
  if (recipes.length > SUBMISSION_RECIPES_MAX) {
    const message = `a submission has at most ${SUBMISSION_RECIPES_MAX} recipes, this one has ${recipes.length}`;
    throw new BuildError("invalid-recipe", message);
  }
  return recipes.map(({ recipe }) => {
    checkRecipe(recipe);
    return recipeDigest(recipe);
  });
}

/** Other recipes whose outputs this one needs, each once. */
export function neededRecipes({ inputs }: Recipe): Set<Digest> {
  const needed = new Set<Digest>();
  for (const input of inputs) if ("recipe" in input) needed.add(input.recipe);
  return needed;
}

/** A recipe whose inputs are all nodes. */
export type TiedRecipe = Omit<Recipe, "inputs"> & {
  readonly inputs: readonly { readonly path: ByteString; readonly node: Node }[];
};

/** The recipe with nodes in the places of outputs. Throws `invalid-recipe` for an output that a recipe does not have. */
export function tied(recipe: Recipe, outputsOf: ReadonlyMap<Digest, readonly AttemptOutput[]>): TiedRecipe {
  const inputs = recipe.inputs.map((input) => {
    if ("node" in input) return input;
    const output = outputsOf.get(input.recipe)?.[input.output];
    if (output !== undefined) return { path: input.path, node: output.node };
    const message = `the input ${quote(input.path)} is output ${input.output} of recipe ${input.recipe}, which has no such output`;
    throw new BuildError("invalid-recipe", message, { context: { field: "inputs" } });
  });
  return { ...recipe, inputs };
}

/** For each recipe how long it and the longest chain of what waits for it are expected to take, from what each takes by itself if that is known. */
export function chainsOf(
  recipes: readonly SubmittedRecipe[],
  digests: readonly Digest[],
  expectedMs: readonly (number | undefined)[],
): number[] {
  const indexOf = new Map(digests.map((digest, index) => [digest, index]));
  const needed = recipes.map(({ recipe }) =>
    Array.from(neededRecipes(recipe), (digest) => indexOf.get(digest)).filter((index) => index !== undefined),
  );
  const chains = recipes.map(({ chainMs }) => chainMs ?? 0);
  for (const index of needersFirst(needed)) {
    chains[index] += expectedMs[index] ?? UNKNOWN_MS;
    for (const before of needed[index]) {
      chains[before] = Math.max(chains[before], chains[index]);
    }
  }
  return chains;
}

function needersFirst(needed: readonly (readonly number[])[]): number[] {
  const needers = needed.map(() => 0);
  for (const row of needed) for (const index of row) needers[index]++;
  const order = needed.flatMap((_, index) => (needers[index] === 0 ? [index] : []));
  for (let at = 0; at < order.length; at++) {
    for (const index of needed[order[at]]) if (--needers[index] === 0) order.push(index);
  }
  return order;
}
