/*
EvalIo over the host's files and a store. There is one tree: absolute paths are the host's, except below the store directory, where the
store is shown as if it were mounted there: what this evaluation has made, then what the store has. The host's own /nix is never read.
*/

import type { ByteString } from "@firn/base";
import {
  EvalError,
  type EvalIo,
  type FileKind,
  lastPart,
  PathValue,
  type SourceTree,
  type StringContext,
  type StringWithContext,
  type Value,
} from "@firn/eval";
import { fetchUnpacked } from "./fetch-builtins.ts";
import { importedDerivation } from "./imported-derivation.ts";
import { INTERNAL_FILES } from "./internal-files.ts";
import type { EvalStore, Place } from "./eval-store.ts";

export type StoreIoOptions = {
  readonly store: EvalStore;
  /** Values of environment variables for `builtins.getEnv`. */
  readonly environment: (name: ByteString) => ByteString;
  readonly log: EvalIo["log"];
};

export class StoreIo implements EvalIo {
  readonly rootTree: SourceTree = { label: "" };
  readonly internalTree: SourceTree = { label: "«nix-internal»" };
  readonly storeDir: ByteString;
  readonly environment: StoreIoOptions["environment"];
  readonly log: EvalIo["log"];
  readonly #store: EvalStore;
  /** Addresses on the search path that were asked for. */
  readonly #unpacked = new Map<ByteString, PathValue | undefined>();

  constructor(options: StoreIoOptions) {
    this.#store = options.store;
    this.storeDir = options.store.storeDir;
    this.environment = options.environment;
    this.log = options.log;
  }

  unpacked(url: ByteString): PathValue | undefined {
    if (this.#unpacked.has(url)) return this.#unpacked.get(url);
    let path: PathValue | undefined;
    try {
      path = new PathValue(this.rootTree, fetchUnpacked(url, this.#store).text);
    } catch (thrown) {
      if (!(thrown instanceof EvalError) || thrown.code === "cancelled") throw thrown;
      this.log("warning", `Nix search path entry '${url}' cannot be downloaded, ignoring`);
    }
    this.#unpacked.set(url, path);
    return path;
  }

  #place({ tree, path }: PathValue): Place | undefined {
    if (tree === this.internalTree) {
      const text = INTERNAL_FILES.get(path);
      return text === undefined ? undefined : { text };
    }
    return this.#store.locate(path);
  }

  /** The place of something that has to be there. */
  #needed(path: PathValue): Place {
    const place = this.#place(path);
    if (place === undefined) throw new EvalError("io", `path '${path.tree.label}${path.path}' does not exist`);
    return place;
  }

  kindOf(path: PathValue): FileKind | undefined {
    const place = this.#place(path);
    if (place === undefined) return undefined;
    return "text" in place ? "regular" : place.files.status(place.path)?.kind;
  }

  readFile(path: PathValue): ByteString {
    const place = this.#needed(path);
    return "text" in place ? place.text : place.files.readText(place.path);
  }

  readDirectory(path: PathValue): readonly (readonly [ByteString, FileKind])[] {
    const place = this.#needed(path);
    if ("text" in place) throw new EvalError("io", `'${path.path}' is not a directory`);
    return place.files.readDirectory(place.path);
  }

  readLink(path: PathValue): ByteString {
    const place = this.#needed(path);
    if ("text" in place) throw new EvalError("io", `file '${path.path}' is not a symlink`);
    return place.files.readLink(place.path);
  }

  realise(path: ByteString, context: StringContext): ByteString {
    return this.#store.realise(path, context);
  }

  references(path: PathValue): readonly ByteString[] {
    if (path.tree !== this.rootTree || !this.#store.isBelowStore(path.path)) return [];
    return this.#store.referencesOf(this.#store.rootOf(path.path));
  }

  derivationAt({ tree, path }: PathValue): Value | undefined {
    const isStorePath = tree === this.rootTree && this.#store.isBelowStore(path) && this.#store.rootOf(path) === path;
    return isStorePath && path.endsWith(".drv") && this.#store.has(path)
      ? importedDerivation(path, this.#store)
      : undefined;
  }

  copyToStore(path: PathValue): StringWithContext {
    if (path.tree === this.rootTree) return this.#store.copyTree(path.path);
    return this.#store.addText(lastPart(path.path), this.readFile(path), undefined);
  }
}
