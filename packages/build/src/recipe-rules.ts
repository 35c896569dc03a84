/*
The rules a recipe must keep, checked once where it comes in (`submit`); everything behind that relies on them. They make a recipe mean
one thing only: lists that have no order are sorted, so equal recipes have equal digests, and no two things share a path.
*/

import { type ByteString, compareByteStrings, messageOf } from "@firn/base";
import { checkDigest, checkNode, quote } from "@firn/castore";
import { BuildError } from "./error.ts";
import type { Recipe } from "./recipe.ts";

/** Most inputs, arguments, variables, files, outputs, features and needles, each. */
export const RECIPE_ENTRIES_MAX = 1 << 17;
/** Most bytes of arguments, environment and files together. */
export const RECIPE_BYTES_MAX = 64 * 1024 * 1024;
/** Longest path inside the sandbox, in bytes. */
export const RECIPE_PATH_BYTES_MAX = 4095;
/** Longest name in such a path, in bytes. */
export const RECIPE_NAME_BYTES_MAX = 255;
/** Longest needle in bytes. The scanner carries this much from one chunk to the next. */
export const NEEDLE_BYTES_MAX = 4096;

/** What the sandbox itself makes below its root; a recipe may put nothing at, above or below these. */
const RESERVED = ["dev", "etc", "proc", "tmp"];

/** Throws `invalid-recipe`, naming the field, unless the recipe keeps all rules. */
export function checkRecipe(recipe: Recipe): void {
  checkCounts(recipe);
  checkInputs(recipe);
  checkProcess(recipe);
  checkPlaces(recipe);
  checkConstraints(recipe);
  checkNeedles(recipe);
}

function checkCounts(recipe: Recipe): void {
  const counts = {
    inputs: recipe.inputs.length,
    argv: recipe.argv.length,
    env: recipe.env.length,
    files: recipe.files.length,
    outputs: recipe.outputs.length,
    "constraints.features": recipe.constraints.features.length,
    needles: recipe.needles.length,
  };
  for (const [field, count] of Object.entries(counts)) {
    if (count > RECIPE_ENTRIES_MAX) refuse(field, `${count} entries, at most ${RECIPE_ENTRIES_MAX} are allowed`);
  }
  let bytes = recipe.argv0?.length ?? 0;
  for (const argument of recipe.argv) bytes += argument.length;
  for (const { name, value } of recipe.env) bytes += name.length + value.length;
  for (const { contents } of recipe.files) bytes += contents.length;
  if (bytes > RECIPE_BYTES_MAX) {
    refuse("argv, env and files", `${bytes} bytes together, at most ${RECIPE_BYTES_MAX} are allowed`);
  }
}

function checkInputs(recipe: Recipe): void {
  checkSorted("inputs", recipe.inputs, (input) => input.path);
  for (const input of recipe.inputs) {
    try {
      if ("node" in input) checkNode(input.node);
      else checkDigest(input.recipe);
    } catch (thrown) {
      refuse("inputs", `${quote(input.path)}: ${messageOf(thrown)}`);
    }
    if (!("node" in input) && !(Number.isSafeInteger(input.output) && input.output >= 0)) {
      refuse("inputs", `${quote(input.path)} names output ${input.output}, which is no index`);
    }
  }
}

function checkProcess({ argv, argv0, env }: Recipe): void {
  if (argv.length === 0) refuse("argv", "empty, the first element must be the program");
  for (const argument of argv) checkText("argv", argument);
  if (argv0 !== undefined) checkText("argv0", argv0);
  if (!argv[0].startsWith("/")) refuse("argv", `the program ${quote(argv[0])} is not an absolute path`);
  checkSorted("env", env, (variable) => variable.name);
  for (const { name, value } of env) {
    checkText("env", name);
    checkText("env", value);
    if (name === "" || name.includes("=")) refuse("env", `${quote(name)} cannot be the name of a variable`);
  }
}

/** All paths are well formed, and nothing lies on, above or below something else; only files may lie in the working directory. */
function checkPlaces(recipe: Recipe): void {
  checkSorted("files", recipe.files, (file) => file.path);
  for (const file of recipe.files) checkText("files", file.contents, true);
  if (recipe.outputs.length === 0) refuse("outputs", "empty, a recipe must yield something");
  const places = new Places();
  for (const path of RESERVED) places.add("the sandbox's own", path);
  if (recipe.constraints.shell) places.add("the sandbox's own", "bin/sh");
  for (const input of recipe.inputs) places.add("inputs", input.path);
  places.add("workingDirectory", recipe.workingDirectory);
  for (const output of recipe.outputs) {
    places.add("outputs", output);
    if (!output.includes("/")) refuse("outputs", `${quote(output)} lies in the root, which is not writable`);
  }
  const inWork = `${recipe.workingDirectory}/`;
  const files = new Places();
  for (const file of recipe.files) (file.path.startsWith(inWork) ? files : places).add("files", file.path);
}

function checkConstraints({ constraints }: Recipe): void {
  if (!/^[A-Za-z0-9_.+-]{1,255}$/.test(constraints.system)) {
    refuse("constraints.system", `${JSON.stringify(constraints.system.slice(0, 300))} is no system name`);
  }
  checkSorted("constraints.features", constraints.features, (feature) => feature);
  for (const feature of constraints.features) checkText("constraints.features", feature);
}

function checkNeedles({ needles }: Recipe): void {
  const seen = new Set<ByteString>();
  for (const needle of needles) {
    checkText("needles", needle, true);
    if (needle.length === 0 || needle.length > NEEDLE_BYTES_MAX) {
      refuse("needles", `a needle of ${needle.length} bytes, allowed are 1 to ${NEEDLE_BYTES_MAX}`);
    }
    if (seen.has(needle)) refuse("needles", `${quote(needle)} is there twice`);
    seen.add(needle);
  }
}

/** Paths of one namespace: refuses bad ones and any that overlaps one added before, in time linear in the path's length. */
class Places {
  readonly #owners = new Map<ByteString, string>();
  readonly #ancestors = new Map<ByteString, ByteString>();

  add(field: string, path: ByteString): void {
    checkPath(field, path);
    const below = this.#ancestors.get(path);
    if (below !== undefined) refuse(field, `${quote(path)} lies above ${quote(below)} (${this.#owners.get(below)})`);
    if (this.#owners.has(path)) refuse(field, `${quote(path)} is taken already (${this.#owners.get(path)})`);
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      const ancestor = path.slice(0, at);
      const owner = this.#owners.get(ancestor);
      if (owner !== undefined) refuse(field, `${quote(path)} lies below ${quote(ancestor)} (${owner})`);
      this.#ancestors.set(ancestor, path);
    }
    this.#owners.set(path, field);
  }
}

function checkPath(field: string, path: ByteString): void {
  checkText(field, path);
  if (path.length > RECIPE_PATH_BYTES_MAX) {
    refuse(field, `a path of ${path.length} bytes, at most ${RECIPE_PATH_BYTES_MAX} are allowed`);
  }
  for (const name of path.split("/")) {
    if (name === "" || name === "." || name === "..") {
      refuse(field, `${quote(path)} must be relative, without empty, "." or ".." parts`);
    }
    if (name.length > RECIPE_NAME_BYTES_MAX) {
      refuse(field, `${quote(path)} has a name of ${name.length} bytes, at most ${RECIPE_NAME_BYTES_MAX} are allowed`);
    }
  }
}

function checkSorted<T>(field: string, entries: readonly T[], keyOf: (entry: T) => ByteString): void {
  for (let i = 1; i < entries.length; i++) {
    const key = keyOf(entries[i]);
    const order = compareByteStrings(keyOf(entries[i - 1]), key);
    if (order === 0) refuse(field, `${quote(key)} is there twice`);
    if (order > 0) refuse(field, `not sorted at ${quote(key)}`);
  }
}

/** A byte string; without NUL unless allowed. */
function checkText(field: string, text: ByteString, mayHoldNul = false): void {
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte > 0xff) refuse(field, `${quote(text.replace(/[^\0-\xff]/g, "?"))} is not a byte string`);
    if (byte === 0 && !mayHoldNul) refuse(field, `${quote(text)} holds a NUL byte`);
  }
}

function refuse(field: string, why: string): never {
  throw new BuildError("invalid-recipe", `invalid recipe, ${field}: ${why}`, { context: { field } });
}
