/*
Store paths: a 160-bit hash part as 32 characters of Nix's base 32, a dash, a name. The store directory is no part of it; it is
said whenever a path is read or printed, because the same path means different things below different directories.

Both parts are kept as the text they are printed in: paths are compared, sorted and looked up far more often than their
bytes are asked for.
*/

import type { ByteString } from "@firn/base";
import { NixCompatError } from "./error.ts";

/** Where Nix keeps its store unless told otherwise. */
export const DEFAULT_STORE_DIR = "/nix/store";
/** Length of the hash part in characters. */
export const HASH_PART_CHARS = 32;
/** Longest name in characters, so that `<hash part>-<name>.drv.chroot` and the like are still file names. */
export const NAME_CHARS_MAX = 211;

const QUOTED_CHARS_MAX = 300;
const NAME_CHARS = /^[0-9A-Za-z+\-._?=]+$/;
const HASH_PART = /^[0-9abcdfghijklmnpqrsvwxyz]{32}$/;

/** A store path. Made by the parse functions here and by store-path-hash.ts, which check the parts. */
export class StorePath {
  /** 32 characters of Nix's base 32. */
  readonly hashPart: string;
  /** 1 to 211 characters. */
  readonly name: string;

  /** Checks both parts. Throws NixCompatError `invalid-store-path`. */
  constructor(hashPart: string, name: string) {
    if (!HASH_PART.test(hashPart)) {
      throw new NixCompatError("invalid-store-path", `'${quote(hashPart)}' is not the hash part of a store path`);
    }
    checkStorePathName(name);
    this.hashPart = hashPart;
    this.name = name;
  }

  /** `<hash part>-<name>`, the base name. */
  toString(): string {
    return `${this.hashPart}-${this.name}`;
  }

  /** `<storeDir>/<hash part>-<name>`. */
  absolute(storeDir: string = DEFAULT_STORE_DIR): string {
    return `${storeDir}/${this.hashPart}-${this.name}`;
  }

  /** Whether the path is a derivation's by its name. */
  get isDerivation(): boolean {
    return this.name.endsWith(".drv");
  }

  equals(other: StorePath): boolean {
    return this.hashPart === other.hashPart && this.name === other.name;
  }
}

/**
 * Throws unless `name` may be the name of a store path: 1 to 211 of `0-9a-zA-Z+-._?=`, and neither `.` nor `..` nor one of these followed
 * by a dash. Rules and words are those of C++ Nix's checkName.
 */
export function checkStorePathName(name: string): void {
  const problem = storePathNameProblem(name);
  if (problem !== undefined) throw new NixCompatError("invalid-store-path", problem);
}

/** Why `name` may not be the name of a store path; undefined when it may. */
export function storePathNameProblem(name: string): string | undefined {
  if (name === "") return "name must not be empty";
  const quoted = quote(name);
  if (name.length > NAME_CHARS_MAX) return `name '${quoted}' must be no longer than ${NAME_CHARS_MAX} characters`;
  if (name === "." || name === "..") return `name '${quoted}' is not valid`;
  const dots = name.startsWith(".-") ? "." : name.startsWith("..-") ? ".." : undefined;
  if (dots !== undefined) return `name '${quoted}' is not valid: first dash-separated component must not be '${dots}'`;
  if (NAME_CHARS.test(name)) return undefined;
  return `name '${quoted}' contains illegal character '${/[^0-9A-Za-z+\-._?=]/.exec(name)?.[0]}'`;
}

/** Reads a base name. */
export function parseStorePath(baseName: string): StorePath {
  if (baseName.length <= HASH_PART_CHARS || baseName[HASH_PART_CHARS] !== "-") {
    throw new NixCompatError(
      "invalid-store-path",
      `'${quote(baseName)}' is not a store path: expected <32 characters>-<name>`,
    );
  }
  return new StorePath(baseName.slice(0, HASH_PART_CHARS), baseName.slice(HASH_PART_CHARS + 1));
}

/** Reads an absolute store path; nothing may follow the base name. */
export function parseAbsoluteStorePath(text: ByteString, storeDir: string = DEFAULT_STORE_DIR): StorePath {
  const { path, rest } = parseStorePathPrefix(text, storeDir);
  if (rest !== "") {
    throw new NixCompatError("invalid-store-path", `'${quote(text)}' is not a store path but a path inside one`);
  }
  return path;
}

/** Reads the store path that `text` is or lies in. `rest` is empty or starts with a slash. */
export function parseStorePathPrefix(
  text: ByteString,
  storeDir: string = DEFAULT_STORE_DIR,
): { readonly path: StorePath; readonly rest: ByteString } {
  if (!isBelowStoreDir(text, storeDir)) {
    throw new NixCompatError("invalid-store-path", `path '${quote(text)}' is not in the store directory '${storeDir}'`);
  }
  const from = storeDir.length + 1;
  const slash = text.indexOf("/", from);
  const to = slash < 0 ? text.length : slash;
  return { path: parseStorePath(text.slice(from, to)), rest: text.slice(to) };
}

/** Whether `text` names something below the store directory, valid store path or not. */
export function isBelowStoreDir(text: ByteString, storeDir: string = DEFAULT_STORE_DIR): boolean {
  return text.length > storeDir.length + 1 && text.startsWith(storeDir) && text[storeDir.length] === "/";
}

function quote(text: string): string {
  return text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}...` : text;
}
