/*
Directories of a static store, each hashed when it comes. A whole tree comes as one file where there is one.
*/

import {
  type CallOptions,
  CastoreError,
  checkRecursive,
  decodeTree,
  type Digest,
  Directory,
  DIRECTORY_BYTES_MAX,
  type DirectoryPutter,
  type DirectoryService,
  type DirectoryServiceSupports,
  staticName,
  walkDirectories,
} from "@firn/castore";
import type { StaticFiles } from "./static-files.ts";

export class StaticDirectories implements DirectoryService {
  readonly supports: DirectoryServiceSupports = { write: false, everyDirectory: true };
  readonly #files: StaticFiles;

  constructor(files: StaticFiles) {
    this.#files = files;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return this.#files.has(staticName("directories", digest), options?.signal);
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    const bytes = await this.#files.read(staticName("directories", digest), DIRECTORY_BYTES_MAX, options?.signal);
    return bytes && Directory.decodeVerified(bytes, digest);
  }

  async *getRecursive(root: Digest, options?: CallOptions): AsyncGenerator<Directory, void> {
    const tree = await this.#files.open(staticName("trees", root), undefined, options?.signal);
    if (tree !== undefined) yield* checkRecursive(root, decodeTree(tree.body));
    else yield* walkDirectories(root, (digest) => this.get(digest, options), options?.signal);
  }

  async put(): Promise<Digest> {
    throw this.#readOnly();
  }

  openPut(): DirectoryPutter {
    throw this.#readOnly();
  }

  #readOnly(): CastoreError {
    return new CastoreError("unsupported", `${this.#files.label} is only read: firn store publish writes such a store`);
  }
}
