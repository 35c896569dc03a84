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
  type PathValue,
  type SourceTree,
  type StringWithContext,
} from "@firn/eval";
import { INTERNAL_FILES } from "./internal-files.ts";
import type { EvalStore } from "./eval-store.ts";
import type { HostFiles } from "./host-files.ts";

export type StoreIoOptions = {
  readonly store: EvalStore;
  /** Values of environment variables for `builtins.getEnv`. */
  readonly environment: (name: ByteString) => ByteString;
  readonly log: EvalIo["log"];
};

/** Where a path leads: to files by path, or to one text that exists in memory only. */
type Place = { readonly files: HostFiles; readonly path: ByteString } | { readonly text: ByteString };

export class StoreIo implements EvalIo {
  readonly rootTree: SourceTree = { label: "" };
  readonly internalTree: SourceTree = { label: "«nix-internal»" };
  readonly storeDir: ByteString;
  readonly environment: StoreIoOptions["environment"];
  readonly log: EvalIo["log"];
  readonly #store: EvalStore;

  constructor(options: StoreIoOptions) {
    this.#store = options.store;
    this.storeDir = options.store.storeDir;
    this.environment = options.environment;
    this.log = options.log;
  }

  #place({ tree, path }: PathValue): Place | undefined {
    if (tree === this.internalTree) {
      const text = INTERNAL_FILES.get(path);
      return text === undefined ? undefined : { text };
    }
    const { storeDir, files, store } = this.#store;
    if (!path.startsWith(storeDir) || path.charCodeAt(storeDir.length) !== 47) return { files, path };
    const end = path.indexOf("/", storeDir.length + 1);
    const object = this.#store.pending(end < 0 ? path : path.slice(0, end));
    if (object?.kind === "source")
      return { files, path: end < 0 ? object.hostPath : object.hostPath + path.slice(end) };
    if (object !== undefined && end < 0) return { text: object.text };
    if (store === undefined) throw new EvalError("io", `path '${path}' is below the store, and there is no store here`);
    return { files: store, path };
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
    if ("text" in place) throw new EvalError("io", `cannot read directory '${path.path}': Not a directory`);
    return place.files.readDirectory(place.path);
  }

  readLink(path: PathValue): ByteString {
    const place = this.#needed(path);
    if ("text" in place) throw new EvalError("io", `reading symbolic link '${path.path}': Invalid argument`);
    return place.files.readLink(place.path);
  }

  copyToStore(path: PathValue): StringWithContext {
    if (path.tree === this.rootTree) return this.#store.copyTree(path.path);
    return this.#store.addText(lastPart(path.path), this.readFile(path), undefined);
  }
}
