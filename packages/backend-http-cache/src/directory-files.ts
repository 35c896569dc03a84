/*
A cache in a directory of this host, as `nix copy --to file://` makes it.
*/

import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ByteStream, messageOf, throwIfAborted } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import { type CacheContent, type CacheFiles, checkCacheName } from "./cache-files.ts";
import { HttpCacheError } from "./error.ts";

export class DirectoryFiles implements CacheFiles {
  readonly label: string;
  readonly identity: string;
  readonly #hostDir: string;

  constructor(hostDir: string) {
    this.#hostDir = hostDir;
    this.label = `file://${hostDir}`;
    this.identity = this.label;
  }

  async read(name: string, bytesMax: number, options?: CallOptions): Promise<Uint8Array | undefined> {
    throwIfAborted(options?.signal);
    try {
      await using file = await open(this.#pathOf(name));
      const { size } = await file.stat();
      if (size > bytesMax)
        throw new HttpCacheError("limit", `${name} of ${this.label} has more than ${bytesMax} bytes`);
      return new Uint8Array(await file.readFile());
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw this.#failed(`cannot read ${name}`, thrown);
    }
  }

  async *stream(name: string, options?: CallOptions): ByteStream {
    try {
      yield* createReadStream(this.#pathOf(name), { highWaterMark: 256 * 1024, signal: options?.signal });
    } catch (thrown) {
      throwIfAborted(options?.signal);
      throw this.#failed(`cannot read ${name}`, thrown);
    }
  }

  async has(name: string, options?: CallOptions): Promise<boolean> {
    throwIfAborted(options?.signal);
    try {
      return (await stat(this.#pathOf(name))).isFile();
    } catch (thrown) {
      if (isMissing(thrown)) return false;
      throw this.#failed(`cannot read ${name}`, thrown);
    }
  }

  async write(name: string, _type: string, { stream }: CacheContent, options?: CallOptions): Promise<void> {
    const path = this.#pathOf(name);
    const beside = `${path}.tmp-${randomUUID()}`;
    try {
      await mkdir(dirname(path), { recursive: true });
      {
        await using file = await open(beside, "wx");
        for await (const chunk of stream()) {
          throwIfAborted(options?.signal);
          await file.writeFile(chunk);
        }
        await file.sync();
      }
      await rename(beside, path);
    } catch (thrown) {
      await rm(beside, { force: true });
      throwIfAborted(options?.signal);
      throw this.#failed(`cannot write ${name}`, thrown);
    }
  }

  #pathOf(name: string): string {
    checkCacheName(name);
    return join(this.#hostDir, name);
  }

  #failed(what: string, thrown: unknown): unknown {
    if (thrown instanceof Error && !("errno" in thrown)) return thrown; // what a stream to be written threw, and our own
    return new HttpCacheError("failed", `${this.label}: ${what}: ${messageOf(thrown)}`, { cause: thrown });
  }
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && ["ENOENT", "ENOTDIR"].includes(String((thrown as NodeJS.ErrnoException).code));
}
