/*
Recipes written by hand: a JSON or TOML file with one recipe or several that use each other's outputs (docs/formats/recipe-file.md). Every field is
checked before anything is read from disk; inputs that are host paths are imported then.
*/

import { readFileSync } from "node:fs";
import { dirname, extname, resolve } from "node:path";
import { type ByteString, byteStringOfText, messageOf } from "@firn/base";
import { checkRecipe, type Recipe, recipeDigest, type RecipeInput } from "@firn/build";
import { type Digest, type Node, parseDigest } from "@firn/castore";
import { parse as parseToml } from "smol-toml";
import { CliError } from "./error.ts";

const FILE_BYTES_MAX = 64 * 1024 * 1024;
const FIELDS = [
  "inputs",
  "argv",
  "env",
  "files",
  "needles",
  "workingDirectory",
  "outputs",
  "system",
  "features",
  "network",
  "shell",
];

/** An input as the file has it. */
type WrittenInput =
  | { readonly kind: "host"; readonly hostPath: string }
  | { readonly kind: "node"; readonly node: Node }
  | { readonly kind: "output"; readonly recipe: string; readonly output: string };

export type WrittenRecipe = {
  readonly name: string;
  readonly inputs: ReadonlyMap<string, WrittenInput>;
  readonly rest: Omit<Recipe, "inputs">;
  /** What is looked for in the outputs, by the names the file gives; as texts those are the recipe's needles, in an order that does not depend on names. */
  readonly needles: ReadonlyMap<string, ByteString>;
};

/** Recipes of a file by name; host paths are relative to the file. Throws `not-found` or `usage`, which says where. */
export function readRecipeFile(hostPath: string, system: string): Map<string, WrittenRecipe> {
  const document = new Field(parseFile(hostPath), hostPath);
  const top = document.record();
  const directory = dirname(resolve(hostPath));
  if (top.has("argv")) return new Map([["recipe", readRecipe("recipe", document, directory, system)]]);
  document.allow(["recipes"]);
  const recipes = top.get("recipes")?.record();
  if (recipes === undefined || recipes.size === 0) return document.refuse("one recipe, or `recipes` by name");
  return new Map(Array.from(recipes, ([name, field]) => [name, readRecipe(name, field, directory, system)]));
}

/**
 * The recipes with their digests, those first that others need. `importTree` yields the node of a host path. Throws `usage` for recipes that
 * name each other in a circle or what is not there, and BuildError `invalid-recipe`.
 */
export async function tieRecipes(
  written: ReadonlyMap<string, WrittenRecipe>,
  importTree: (hostPath: string) => Promise<Node>,
): Promise<Map<string, { readonly recipe: Recipe; readonly digest: Digest }>> {
  const made = new Map<string, { readonly recipe: Recipe; readonly digest: Digest }>();
  const above = new Set<string>();
  const make = async ({ name, inputs, rest }: WrittenRecipe) => {
    if (made.has(name)) return;
    if (above.has(name))
      throw new CliError("usage", `recipe '${name}' needs itself, by way of ${[...above].join(", ")}`);
    above.add(name);
    const tied: RecipeInput[] = [];
    for (const [path, input] of inputs) {
      const at = byteStringOfText(path);
      if (input.kind === "node") tied.push({ path: at, node: input.node });
      else if (input.kind === "host") tied.push({ path: at, node: await importTree(input.hostPath) });
      else tied.push({ path: at, ...(await outputOf(name, input)) });
    }
    tied.sort((a, b) => (a.path < b.path ? -1 : 1));
    const recipe: Recipe = { inputs: tied, ...rest };
    checkRecipe(recipe);
    made.set(name, { recipe, digest: recipeDigest(recipe) });
    above.delete(name);
  };
  const outputOf = async (name: string, { recipe, output }: WrittenInput & { readonly kind: "output" }) => {
    const needed = written.get(recipe);
    if (needed === undefined)
      throw new CliError("usage", `recipe '${name}' needs '${recipe}', which is not in the file`);
    await make(needed);
    const index = needed.rest.outputs.indexOf(byteStringOfText(output));
    if (index >= 0) return { recipe: (made.get(recipe) as { digest: Digest }).digest, output: index };
    const message = `recipe '${name}' needs output '${output}' of '${recipe}', which has: ${needed.rest.outputs.join(", ")}`;
    throw new CliError("usage", message);
  };
  for (const one of written.values()) await make(one);
  return made;
}

function parseFile(hostPath: string): unknown {
  let text: string;
  try {
    text = readFileSync(hostPath, "utf8");
  } catch (thrown) {
    throw new CliError("not-found", `'${hostPath}' cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (text.length > FILE_BYTES_MAX) throw new CliError("usage", `'${hostPath}' is longer than ${FILE_BYTES_MAX} bytes`);
  try {
    return extname(hostPath) === ".toml" ? parseToml(text) : JSON.parse(text);
  } catch (thrown) {
    throw new CliError("usage", `'${hostPath}' is no recipe file: ${messageOf(thrown)}`, { cause: thrown });
  }
}

function readRecipe(name: string, recipe: Field, directory: string, system: string): WrittenRecipe {
  recipe.allow(FIELDS);
  const fields = recipe.record();
  const entries = (field: string) => [...(fields.get(field)?.record() ?? [])];
  const texts = (field: string) =>
    fields
      .get(field)
      ?.list()
      .map((one) => one.bytes()) ?? [];
  const needed = (field: string) => {
    if (!fields.has(field)) recipe.refuse(`a field '${field}'`);
    return texts(field);
  };
  const sorted = <T>(rows: [string, T][]) => rows.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const flag = (field: string, otherwise: boolean) => fields.get(field)?.boolean() ?? otherwise;
  const byteEntries = (field: string): [string, string][] =>
    sorted(entries(field).map(([key, value]): [string, string] => [byteStringOfText(key), value.bytes()]));
  const needles = new Map(entries("needles").map(([key, text]) => [key, text.bytes()]));
  return {
    name,
    needles,
    inputs: new Map(entries("inputs").map(([path, input]) => [path, readInput(input, directory)])),
    rest: {
      argv: needed("argv"),
      env: byteEntries("env").map(([variable, value]) => ({ name: variable, value })),
      files: byteEntries("files").map(([path, contents]) => ({ path, contents })),
      workingDirectory: fields.get("workingDirectory")?.bytes() ?? "build",
      outputs: needed("outputs"),
      constraints: {
        system: fields.get("system")?.text() ?? system,
        features: texts("features").toSorted(),
        network: flag("network", false),
        shell: flag("shell", true),
      },
      needles: [...new Set(needles.values())].sort(),
    },
  };
}

/** A host path, or an object: {path}, {recipe, output}, or a node as --json prints it. */
function readInput(input: Field, directory: string): WrittenInput {
  if (input.isText()) return { kind: "host", hostPath: resolve(directory, input.text()) };
  const fields = input.record();
  const text = (name: string) => (fields.get(name) ?? input.refuse(`a field '${name}'`)).text();
  if (fields.has("path")) {
    input.allow(["path"]);
    return { kind: "host", hostPath: resolve(directory, text("path")) };
  }
  if (fields.has("recipe")) {
    input.allow(["recipe", "output"]);
    return { kind: "output", recipe: text("recipe"), output: text("output") };
  }
  const type = text("type");
  if (type === "symlink") {
    input.allow(["type", "target"]);
    return { kind: "node", node: { kind: "symlink", target: byteStringOfText(text("target")) } };
  }
  input.allow(["type", "digest", "size", "executable"]);
  const digest = parseDigest(text("digest"));
  const size = (fields.get("size") ?? input.refuse("a field 'size'")).number();
  if (type === "directory") return { kind: "node", node: { kind: "directory", digest, size } };
  if (type !== "regular") input.refuse("type regular, directory or symlink");
  return {
    kind: "node",
    node: { kind: "file", digest, size, executable: fields.get("executable")?.boolean() ?? false },
  };
}

/** A value of the document with the place where it stands. */
class Field {
  readonly #value: unknown;
  readonly #place: string;

  constructor(value: unknown, place: string) {
    this.#value = value;
    this.#place = place;
  }

  refuse(expected: string): never {
    throw new CliError("usage", `${this.#place}: expected ${expected}`);
  }

  isText(): boolean {
    return typeof this.#value === "string";
  }

  text(): string {
    return typeof this.#value === "string" ? this.#value : this.refuse("a string");
  }

  /** As the bytes of its UTF-8. */
  bytes(): string {
    return byteStringOfText(this.text());
  }

  boolean(): boolean {
    return typeof this.#value === "boolean" ? this.#value : this.refuse("true or false");
  }

  number(): number {
    const isSize = Number.isSafeInteger(this.#value) && (this.#value as number) >= 0;
    return isSize ? (this.#value as number) : this.refuse("a whole number");
  }

  list(): Field[] {
    if (!Array.isArray(this.#value)) return this.refuse("a list");
    return this.#value.map((value, index) => new Field(value, `${this.#place}[${index}]`));
  }

  record(): Map<string, Field> {
    const value = this.#value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return this.refuse("an object");
    return new Map(Object.entries(value).map(([name, one]) => [name, new Field(one, `${this.#place}: ${name}`)]));
  }

  /** Refuses fields of other names. */
  allow(names: readonly string[]): void {
    for (const name of this.record().keys())
      if (!names.includes(name)) this.refuse(`no field '${name}'; there are ${names.join(", ")}`);
  }
}
