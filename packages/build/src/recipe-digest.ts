/*
The name of a recipe: BLAKE3 over a fixed encoding, so that the same work has the same name on every machine. The encoding is
only ever hashed, never read back; docs/formats/recipe.md specifies it and publishes vectors. A change to it is a new domain.
*/

import { assert, bytesOf, byteStringOfText, type ByteString } from "@firn/base";
import { bytesOfDigest, type Digest, digestOf, type Node } from "@firn/castore";
import type { Recipe } from "./recipe.ts";

/** First field of the encoding: no other thing Firn hashes starts like it. */
const DOMAIN = "firn.recipe.v1";

/** A length no text has, so it cannot be taken for a name. */
const HOST_SHOWN = Number.MAX_SAFE_INTEGER;

const KIND_DIRECTORY = 0;
const KIND_FILE = 1;
const KIND_SYMLINK = 2;
const KIND_RECIPE_OUTPUT = 3;

/** The digest of a recipe that keeps the rules of recipe-rules.ts. */
export function recipeDigest(recipe: Recipe): Digest {
  return digestOf(encodeRecipe(recipe));
}

/** The bytes that are hashed. */
export function encodeRecipe(recipe: Recipe): Uint8Array {
  const writer = new Writer();
  writer.text(DOMAIN);
  writer.number(recipe.inputs.length);
  for (const input of recipe.inputs) {
    writer.text(input.path);
    if ("node" in input) writeNode(writer, input.node);
    else {
      writer.number(KIND_RECIPE_OUTPUT);
      writer.digest(input.recipe);
      writer.number(input.output);
    }
  }
  writer.number(recipe.argv.length);
  for (const argument of recipe.argv) writer.text(argument);
  writer.number(recipe.env.length);
  for (const { name, value } of recipe.env) {
    writer.text(name);
    writer.text(value);
  }
  writer.number(recipe.files.length);
  for (const { path, contents } of recipe.files) {
    writer.text(path);
    writer.text(contents);
  }
  writer.text(recipe.workingDirectory);
  writer.number(recipe.outputs.length);
  for (const output of recipe.outputs) writer.text(output);
  writer.text(byteStringOfText(recipe.constraints.system));
  writer.number(recipe.constraints.features.length);
  for (const feature of recipe.constraints.features) writer.text(byteStringOfText(feature));
  writer.number(recipe.constraints.network ? 1 : 0);
  writer.number(recipe.constraints.shell ? 1 : 0);
  writer.number(recipe.needles.length);
  for (const needle of recipe.needles) writer.text(needle);
  // The end says what of these is there.
  if (recipe.argv0 !== undefined) writer.text(recipe.argv0);
  if (recipe.constraints.sandboxed === false) writer.number(HOST_SHOWN);
  return writer.bytes();
}

function writeNode(writer: Writer, node: Node): void {
  switch (node.kind) {
    case "directory":
      writer.number(KIND_DIRECTORY);
      writer.digest(node.digest);
      writer.number(node.size);
      return;
    case "file":
      writer.number(KIND_FILE);
      writer.digest(node.digest);
      writer.number(node.size);
      writer.number(node.executable ? 1 : 0);
      return;
    case "symlink":
      writer.number(KIND_SYMLINK);
      writer.text(node.target);
      return;
  }
}

/** Grows by doubling. Numbers are 8 bytes little endian; texts are their length, then their bytes; digests are bare. */
class Writer {
  #buffer = new Uint8Array(1024);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;

  number(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "numbers in a recipe are integers from 0 to 2^53-1");
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, BigInt(value), true);
    this.#length += 8;
  }

  text(value: ByteString): void {
    this.number(value.length);
    this.#append(bytesOf(value));
  }

  digest(value: Digest): void {
    this.#append(bytesOfDigest(value));
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + more));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
    this.#view = new DataView(grown.buffer);
  }
}
