/*
A tree of files of which only some are there: a copy of a source that a filter chose from, read before the copy is made.
*/

import type { ByteString } from "@firn/base";
import { EvalError } from "@firn/eval";
import type { HostFiles, HostFileStatus } from "./host-files.ts";

export class FilteredFiles implements HostFiles {
  readonly #files: HostFiles;
  readonly #prefix: ByteString;
  readonly #root: ByteString;
  readonly #included: ReadonlySet<ByteString>;

  /** The tree at `root`, with those of its entries that are in `included`, relative to it. */
  constructor(files: HostFiles, root: ByteString, included: readonly ByteString[]) {
    this.#files = files;
    this.#root = root;
    this.#prefix = root === "/" ? root : `${root}/`;
    this.#included = new Set(included);
  }

  #has(path: ByteString): boolean {
    return path === this.#root || this.#included.has(path.slice(this.#prefix.length));
  }

  #check(path: ByteString): ByteString {
    if (this.#has(path)) return path;
    throw new EvalError("io", `path '${path}' does not exist`);
  }

  status(path: ByteString): HostFileStatus | undefined {
    return this.#has(path) ? this.#files.status(path) : undefined;
  }

  readFile(path: ByteString): Uint8Array {
    return this.#files.readFile(this.#check(path));
  }

  readText(path: ByteString): ByteString {
    return this.#files.readText(this.#check(path));
  }

  readDirectory(path: ByteString): ReturnType<HostFiles["readDirectory"]> {
    const prefix = path === "/" ? path : `${path}/`;
    return this.#files.readDirectory(this.#check(path)).filter(([name]) => this.#has(prefix + name));
  }

  readLink(path: ByteString): ByteString {
    return this.#files.readLink(this.#check(path));
  }
}
