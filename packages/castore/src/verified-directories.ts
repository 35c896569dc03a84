/*
Directories from a source that is not trusted: each has the digest it was asked by, and a recursive get is the tree that was asked for, whole
and nothing else.
*/

import type { Directory } from "./directory.ts";
import { checkRecursive } from "./directory-graph.ts";
import type { DirectoryPutter, DirectoryService, DirectoryServiceSupports } from "./directory-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";

export class VerifiedDirectories implements DirectoryService {
  readonly #inner: DirectoryService;

  constructor(inner: DirectoryService) {
    this.#inner = inner;
  }

  get supports(): DirectoryServiceSupports {
    return this.#inner.supports;
  }

  has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return this.#inner.has(digest, options);
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    const directory = await this.#inner.get(digest, options);
    if (directory === undefined || directory.digest === digest) return directory;
    throw new CastoreError("corrupt", `directory ${digest} was asked for, ${directory.digest} came`, {
      context: { digest },
    });
  }

  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory> {
    return checkRecursive(root, this.#inner.getRecursive(root, options));
  }

  put(directory: Directory, options?: CallOptions): Promise<Digest> {
    return this.#inner.put(directory, options);
  }

  openPut(options?: CallOptions): DirectoryPutter {
    return this.#inner.openPut(options);
  }
}
