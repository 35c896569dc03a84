/*
Directories from several sources (tiers.ts). Puts go to the first that can be written, whose children must be there: having a directory promises all
below it.
*/

import type { Directory } from "./directory.ts";
import { walkDirectories } from "./directory-graph.ts";
import type { DirectoryPutter, DirectoryService, DirectoryServiceSupports } from "./directory-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";
import { firstAnswer, firstStream } from "./tiers.ts";

export class TieredDirectories implements DirectoryService {
  readonly supports: DirectoryServiceSupports;
  readonly #sources: readonly DirectoryService[];
  readonly #writable: DirectoryService | undefined;

  /** In order of preference. */
  constructor(sources: readonly DirectoryService[]) {
    this.#sources = sources;
    this.#writable = sources.find(({ supports }) => supports.write);
    this.supports = {
      write: this.#writable !== undefined,
      everyDirectory: sources.every(({ supports }) => supports.everyDirectory),
    };
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return (await this.#first((source, given) => source.has(digest, given), options)) !== undefined;
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    return (await this.#first((source, given) => source.get(digest, given), options))?.answer;
  }

  getRecursive(root: Digest, options?: CallOptions): AsyncIterable<Directory> {
    // Trees that lie in one source come from it in one stream; what breaks is gone on with piece by piece.
    const seen = new Set<Digest>();
    async function* fresh(directories: AsyncIterable<Directory>): AsyncGenerator<Directory, boolean> {
      let isThere = false;
      for await (const directory of directories) {
        isThere = true;
        if (seen.has(directory.digest)) continue;
        seen.add(directory.digest);
        yield directory;
      }
      return isThere;
    }
    const signal = options?.signal;
    const starts = this.#sources.map((source) => () => fresh(source.getRecursive(root, { signal })));
    const inPieces = () => fresh(walkDirectories(root, (digest) => this.get(digest, { signal }), signal));
    return firstStream([...starts, inPieces], signal);
  }

  async put(directory: Directory, options?: CallOptions): Promise<Digest> {
    return this.#needWritable().put(directory, options);
  }

  openPut(options?: CallOptions): DirectoryPutter {
    return this.#needWritable().openPut(options);
  }

  #first<T>(ask: (source: DirectoryService, options: CallOptions | undefined) => Promise<T>, options?: CallOptions) {
    return firstAnswer(this.#sources, ask, this.#writable, options);
  }

  #needWritable(): DirectoryService {
    if (this.#writable === undefined) throw new CastoreError("unsupported", "none of the sources can be written");
    return this.#writable;
  }
}
