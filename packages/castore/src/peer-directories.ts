/*
Directories from several sources of which none is trusted: the first that has one answers, everything is checked against its digest, and one who sends what was not asked
for is named and never asked again. Directories are small, so nothing is raced here, unlike blobs (peer-blobs.ts).
*/

import { throwIfAborted } from "@firn/base";
import type { Directory } from "./directory.ts";
import type { DirectoryPutter, DirectoryService, DirectoryServiceSupports } from "./directory-service.ts";
import { CastoreError } from "./error.ts";
import { InterceptedDirectories, type Interceptor } from "./intercept.ts";
import { type CallOptions, withoutLease } from "./lease.ts";
import { Liars, type OnLie } from "./liars.ts";
import type { Digest } from "./node.ts";
import { TieredDirectories } from "./tiered-directories.ts";
import { VerifiedDirectories } from "./verified-directories.ts";

export type PeerDirectoriesOptions = { readonly onLie?: OnLie };

export class PeerDirectories implements DirectoryService {
  readonly supports: DirectoryServiceSupports;
  readonly #liars: Liars<DirectoryService>;
  /** What is asked of each, by source. */
  readonly #judged: ReadonlyMap<DirectoryService, DirectoryService>;

  constructor(sources: readonly DirectoryService[], { onLie }: PeerDirectoriesOptions = {}) {
    this.supports = { write: false, everyDirectory: sources.every(({ supports }) => supports.everyDirectory) };
    this.#liars = new Liars(sources, onLie);
    const judged = (source: DirectoryService) =>
      new InterceptedDirectories(new VerifiedDirectories(source), judging(source, this.#liars));
    this.#judged = new Map(sources.map((source) => [source, judged(source)]));
  }

  /** Numbers, from 0, of the sources that are not asked any more. */
  get liars(): readonly number[] {
    return this.#liars.numbers;
  }

  async has(digest: Digest, options?: CallOptions): Promise<boolean> {
    return await this.#honest().has(digest, withoutLease(options));
  }

  async get(digest: Digest, options?: CallOptions): Promise<Directory | undefined> {
    return await this.#honest().get(digest, withoutLease(options));
  }

  async *getRecursive(root: Digest, options?: CallOptions): AsyncGenerator<Directory, void> {
    yield* this.#honest().getRecursive(root, withoutLease(options));
  }

  async put(): Promise<Digest> {
    throw readOnly();
  }

  openPut(): DirectoryPutter {
    throw readOnly();
  }

  /** Those who may be asked; throws how a liar was found when all are. */
  #honest(): TieredDirectories {
    const honest = this.#liars.honest.flatMap((source) => this.#judged.get(source) ?? []);
    const [failure] = this.#liars.failures;
    if (honest.length === 0 && failure !== undefined) throw failure;
    return new TieredDirectories(honest);
  }
}

function judging(source: DirectoryService, liars: Liars<DirectoryService>): Interceptor {
  return {
    async call({ signal }, run) {
      try {
        return await run();
      } catch (thrown) {
        throwIfAborted(signal);
        throw liars.judged(source, thrown);
      }
    },
    async *stream({ signal }, start) {
      try {
        yield* start();
      } catch (thrown) {
        throwIfAborted(signal);
        throw liars.judged(source, thrown);
      }
    },
  };
}

function readOnly(): CastoreError {
  return new CastoreError("unsupported", "peers are only read");
}
