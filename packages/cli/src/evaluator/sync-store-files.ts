/*
The local store as files, for the evaluator: store paths are looked up by hash part, and paths inside them walked through directories,
synchronously. A store that is not there yet is looked for again at each access: the first build makes it.
*/

import { existsSync } from "node:fs";
import { join } from "node:path";
import { openLocalStoreSync, type SyncStore } from "@firn/backend-local";
import type { Node } from "@firn/castore";
import { EvalError, type FileKind } from "@firn/eval";
import type { HostFileStatus, StoreFiles } from "@firn/glue/evaluation";
import { HASH_PART_CHARS } from "@firn/nix-compat";

const KINDS: Record<Node["kind"], FileKind> = { directory: "directory", file: "regular", symlink: "symlink" };

export class SyncStoreFiles implements StoreFiles {
  readonly #hostDir: string;
  #opened: SyncStore | undefined;
  readonly #storeDir: string;

  /** `hostDir` is where the store's own files are, or will be. */
  constructor(hostDir: string, storeDir: string) {
    this.#hostDir = hostDir;
    this.#storeDir = storeDir;
  }

  get #store(): SyncStore | undefined {
    if (this.#opened === undefined && existsSync(join(this.#hostDir, "format")))
      this.#opened = openLocalStoreSync(this.#hostDir);
    return this.#opened;
  }

  /** The node at a path below the store directory; symlinks on the way are not followed. */
  #node(path: string): Node | undefined {
    const [base, ...parts] = path.slice(this.#storeDir.length + 1).split("/");
    const info = this.#store?.pathInfo(base.slice(0, HASH_PART_CHARS));
    if (info === undefined || info.path.toString() !== base) return undefined;
    let node: Node | undefined = info.node;
    for (const part of parts) {
      if (node?.kind !== "directory") return undefined;
      node = this.#store?.directory(node.digest)?.get(part);
    }
    return node;
  }

  #required(path: string): Node {
    const node = this.#node(path);
    if (node === undefined) throw new EvalError("io", `path '${path}' does not exist`);
    return node;
  }

  status(path: string): HostFileStatus | undefined {
    const node = this.#node(path);
    return node && { kind: KINDS[node.kind], executable: node.kind === "file" && node.executable };
  }

  readFile(path: string): Uint8Array {
    const node = this.#required(path);
    if (node.kind !== "file") throw new EvalError("io", `file '${path}' is not a regular file`);
    const bytes = this.#store?.readBlob(node.digest);
    if (bytes === undefined) throw new EvalError("store", `the contents of '${path}' are missing from the store`);
    return bytes;
  }

  readText(path: string): string {
    const bytes = this.readFile(path);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  }

  readDirectory(path: string): readonly (readonly [string, FileKind])[] {
    const node = this.#required(path);
    if (node.kind !== "directory") throw new EvalError("io", `'${path}' is not a directory`);
    const directory = this.#store?.directory(node.digest);
    if (directory === undefined) throw new EvalError("store", `the directory '${path}' is missing from the store`);
    return directory.entries.map(({ name, node: child }) => [name, KINDS[child.kind]] as const);
  }

  readLink(path: string): string {
    const node = this.#required(path);
    if (node.kind !== "symlink") throw new EvalError("io", `file '${path}' is not a symlink`);
    return node.target;
  }

  references(storePath: string): readonly string[] | undefined {
    const base = storePath.slice(this.#storeDir.length + 1);
    const info = this.#store?.pathInfo(base.slice(0, HASH_PART_CHARS));
    if (info === undefined || info.path.toString() !== base) return undefined;
    return info.references.map((reference) => reference.absolute(this.#storeDir));
  }
}
