/*
The `format` file: which version of the directory layout a store has, and which features beyond it are in use. It is read before
anything else is touched. What is not known is refused, because guessing at a store's meaning can destroy it.

    firn-local-store
    version 1
    features
*/

import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, LocalStoreError, storageProblem } from "./error.ts";
import { identityOfSelf } from "./process-identity.ts";

/** The version this code writes. Version 0 is migrated (migration.ts), no other is read. */
export const FORMAT_VERSION = 1;
/** Feature words this code knows; version 1 needs none. */
const FEATURES: readonly string[] = [];
const TEXT = `firn-local-store\nversion ${FORMAT_VERSION}\nfeatures\n`;
/** What an interrupted creation may have left beside a missing `format`. */
const OWN_NAMES = /^(format\.[\w-]+|index|packs|files|trees|staging)$/;

/** Checks the store at `dir` and yields its version; makes an empty one first when `create` is set and nothing is there. */
export function openFormat(dir: string, create: boolean): number {
  const path = join(dir, "format");
  let text = readFormat(path);
  if (text === undefined && create) {
    createFormat(dir, path);
    text = readFormat(path);
  }
  if (text === undefined)
    throw new LocalStoreError("not-a-store", `there is no Firn store at ${dir}`, { context: { dir } });
  return checkFormat(text, dir);
}

/** Writes the current version over an older one, when everything else has been brought up to it. */
export function replaceFormat(dir: string): void {
  const path = join(dir, "format");
  const temporary = `${path}.${identityOfSelf()}`;
  try {
    writeFileSync(temporary, TEXT, { mode: 0o644, flush: true });
    renameSync(temporary, path);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw new LocalStoreError("storage", `the store's format cannot be written: ${storageProblem(thrown)}`, {
      cause: thrown,
    });
  }
}

function readFormat(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1").slice(0, 4096);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw new LocalStoreError("storage", `the store's format cannot be read: ${storageProblem(thrown)}`, {
      cause: thrown,
    });
  }
}

function createFormat(dir: string, path: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    const foreign = readdirSync(dir).find((name) => name !== "format" && !OWN_NAMES.test(name));
    if (foreign !== undefined) {
      throw new LocalStoreError(
        "not-a-store",
        `${dir} is no Firn store and not empty (it holds ${foreign}): choose another directory`,
      );
    }
    const temporary = `${path}.${identityOfSelf()}`;
    writeFileSync(temporary, TEXT, { mode: 0o644, flush: true });
    try {
      linkSync(temporary, path);
    } catch (thrown) {
      if (errnoOf(thrown) !== "EEXIST") throw thrown; // another process was first, with the same text
    } finally {
      unlinkSync(temporary);
    }
  } catch (thrown) {
    if (thrown instanceof LocalStoreError) throw thrown;
    throw new LocalStoreError("storage", `a store cannot be made at ${dir}: ${storageProblem(thrown)}`, {
      cause: thrown,
    });
  }
}

function checkFormat(text: string, dir: string): number {
  const match = /^firn-local-store\nversion (\d{1,9})\nfeatures((?: [\w-]+)*)\n$/.exec(text);
  if (match === null)
    throw new LocalStoreError("not-a-store", `${dir}/format is not that of a Firn store`, { context: { dir } });
  const version = Number(match[1]);
  if (version > FORMAT_VERSION) {
    const message = `the store at ${dir} has format version ${version}, this Firn knows versions up to ${FORMAT_VERSION}: use a newer Firn`;
    throw new LocalStoreError("unknown-format", message, { context: { dir, version } });
  }
  const unknown = match[2].split(" ").filter((word) => word !== "" && !FEATURES.includes(word));
  if (unknown.length > 0) {
    const message = `the store at ${dir} uses what this Firn does not know (${unknown.join(", ")}): use a newer Firn`;
    throw new LocalStoreError("unknown-format", message, { context: { dir, features: unknown.join(" ") } });
  }
  return version;
}
