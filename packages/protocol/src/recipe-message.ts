/* Recipes and their message. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { byteStringOf, bytesOf } from "@firn/base";
import type { Recipe, RecipeInput } from "@firn/build";
import { bytesOfDigest } from "@firn/castore";
import { digestOfRequest } from "./digest-list.ts";
import { ProtocolError } from "./error.ts";
import type { Recipe as RecipeMessage, RecipeSchema } from "./gen/firn/build/v1/recipe_pb.ts";
import { messageOfNode, nodeOfMessage } from "./node-message.ts";

export function messageOfRecipe(recipe: Recipe): MessageInitShape<typeof RecipeSchema> {
  const { system, features, network, shell, sandboxed } = recipe.constraints;
  return {
    inputs: recipe.inputs.map((input) => ({ path: bytesOf(input.path), source: sourceOf(input) })),
    argv: recipe.argv.map(bytesOf),
    argv0: recipe.argv0 === undefined ? undefined : bytesOf(recipe.argv0),
    env: recipe.env.map(({ name, value }) => ({ name: bytesOf(name), value: bytesOf(value) })),
    files: recipe.files.map(({ path, contents }) => ({ path: bytesOf(path), contents: bytesOf(contents) })),
    workingDirectory: bytesOf(recipe.workingDirectory),
    outputs: recipe.outputs.map(bytesOf),
    constraints: { system, features: [...features], network, shell, hostShown: sandboxed === false },
    needles: recipe.needles.map(bytesOf),
  };
}

function sourceOf(input: RecipeInput) {
  if ("node" in input) return { case: "node" as const, value: messageOfNode(input.node, "") };
  return { case: "recipeOutput" as const, value: { recipe: bytesOfDigest(input.recipe), output: input.output } };
}

/** Whether it keeps the rules is for whoever takes it to check. Throws `invalid-argument`. */
export function recipeOfMessage(message: RecipeMessage | undefined): Recipe {
  const { constraints } = message ?? {};
  if (message === undefined || constraints === undefined)
    throw new ProtocolError("invalid-argument", "a recipe, or its constraints, did not come");
  const { system, features, network, shell, hostShown } = constraints;
  return {
    inputs: message.inputs.map(({ path, source }) => inputOf(byteStringOf(path), source)),
    argv: message.argv.map((one) => byteStringOf(one)),
    ...(message.argv0 === undefined ? {} : { argv0: byteStringOf(message.argv0) }),
    env: message.env.map(({ name, value }) => ({ name: byteStringOf(name), value: byteStringOf(value) })),
    files: message.files.map(({ path, contents }) => ({ path: byteStringOf(path), contents: byteStringOf(contents) })),
    workingDirectory: byteStringOf(message.workingDirectory),
    outputs: message.outputs.map((one) => byteStringOf(one)),
    constraints: { system, features, network, shell, ...(hostShown ? { sandboxed: false } : {}) },
    needles: message.needles.map((one) => byteStringOf(one)),
  };
}

function inputOf(path: string, source: RecipeMessage["inputs"][number]["source"]): RecipeInput {
  if (source.case === "node") return { path, node: nodeOfMessage(source.value).node };
  if (source.case === "recipeOutput")
    return { path, recipe: digestOfRequest(source.value.recipe), output: source.value.output };
  throw new ProtocolError("invalid-argument", "an input of a recipe is neither a node nor another recipe's output");
}
