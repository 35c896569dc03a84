/*
A binary cache of Nix's, read. Nothing it says is believed here but that: a narinfo becomes an offer, whose signatures are judged by who asked, and its NAR
comes in only as what the narinfo says it is, byte for byte.
*/

import { byteStringOf, type ByteStream, equalBytes } from "@firn/base";
import { type CallOptions, type CastoreServices, type Node, SingleFlight } from "@firn/castore";
import { type Compression, decompress, parseCompression } from "@firn/compression";
import { createHasher } from "@firn/hash";
import {
  DEFAULT_STORE_DIR,
  NAR_INFO_BYTES_MAX,
  type NarInfo,
  NIX_CACHE_INFO_BYTES_MAX,
  type NixCacheInfo,
  parseNarInfo,
  parseNixCacheInfo,
  type StorePath,
} from "@firn/nix-compat";
import {
  calculateNar,
  ingestNar,
  type Offer,
  parseCastoreNarPath,
  type Substituter,
  type TakeOptions,
  BUILD_TRACE_BYTES_MAX,
  buildTraceName,
  parseBuildTraceEntry,
  type Realisation,
} from "@firn/store";
import type { CacheFiles } from "./cache-files.ts";
import { HttpCacheError } from "./error.ts";
import type { NarInfoMemory } from "./nar-info-memory.ts";

export type NixCacheOptions = {
  /** /nix/store when not said. */
  readonly storeDir?: string;
  /** In place of what the cache says of itself. */
  readonly priority?: number;
  /** What was found before and is still good. */
  readonly memory?: NarInfoMemory;
};

export class NixCache implements Substituter {
  readonly label: string;
  readonly files: CacheFiles;
  readonly #options: NixCacheOptions;
  readonly #asking = new SingleFlight<"", NixCacheInfo>();
  #info: NixCacheInfo | undefined;

  constructor(files: CacheFiles, options: NixCacheOptions = {}) {
    this.files = files;
    this.label = files.label;
    this.#options = options;
  }

  async priority(options?: CallOptions): Promise<number> {
    const { priority } = await this.info(options);
    return this.#options.priority ?? priority;
  }

  /** What the cache says of itself. Throws `other-cache` when it is one for another store directory. */
  async info(options?: CallOptions): Promise<NixCacheInfo> {
    this.#info ??= await this.#asking.run("", (signal) => this.#readInfo({ signal }), options?.signal);
    return this.#info;
  }

  async offer(hashPart: string, options?: CallOptions): Promise<Offer | undefined> {
    const { storeDir, memory } = this.#options;
    const { identity } = this.files;
    let text = memory?.get(identity, hashPart);
    if (text === undefined) {
      const bytes = await this.files.read(`${hashPart}.narinfo`, NAR_INFO_BYTES_MAX, options);
      text = bytes === undefined ? "" : byteStringOf(bytes);
      memory?.set(identity, hashPart, text);
    }
    if (text === "") return undefined;
    try {
      const narInfo = parseNarInfo(text, storeDir);
      if (narInfo.path.hashPart === hashPart) return new CachedOffer(narInfo, this.files, this.#options);
      throw new HttpCacheError("malformed", `${this.label} was asked for ${hashPart} and speaks of ${narInfo.path}`);
    } catch (thrown) {
      memory?.forget(identity, hashPart); // it may answer better when it is asked again
      throw thrown;
    }
  }

  /** As C++ Nix 2.35 keeps them; older ones name them otherwise, and say nothing of whose they are. */
  async realisation(drvPath: StorePath, output: string, options?: CallOptions): Promise<Realisation | undefined> {
    const bytes = await this.files.read(buildTraceName(drvPath, output), BUILD_TRACE_BYTES_MAX, options);
    return bytes && parseBuildTraceEntry(byteStringOf(bytes), drvPath, output);
  }

  async #readInfo(options: CallOptions): Promise<NixCacheInfo> {
    const storeDir = this.#options.storeDir ?? DEFAULT_STORE_DIR;
    const bytes = await this.files.read("nix-cache-info", NIX_CACHE_INFO_BYTES_MAX, options);
    if (bytes === undefined)
      throw new HttpCacheError("failed", `${this.label} is no binary cache: it has no nix-cache-info`);
    const info = parseNixCacheInfo(byteStringOf(bytes));
    if (info.storeDir === storeDir) return info;
    const message = `${this.label} is a cache for paths below '${info.storeDir.slice(0, 200)}', not '${storeDir}'`;
    throw new HttpCacheError("other-cache", message);
  }
}

class CachedOffer implements Offer {
  readonly described: NarInfo;
  readonly source: string;
  readonly #files: CacheFiles;
  readonly #options: NixCacheOptions;

  constructor(narInfo: NarInfo, files: CacheFiles, options: NixCacheOptions) {
    this.described = narInfo;
    this.source = files.label;
    this.#files = files;
    this.#options = options;
  }

  get downloadBytes(): number | undefined {
    const { compression, fileSize, narSize } = this.described;
    return fileSize ?? (compression === "none" ? narSize : undefined);
  }

  async take(to: CastoreServices, options: TakeOptions): Promise<Node> {
    try {
      return (await this.#nearby(to, options)) ?? (await this.#download(to, options));
    } catch (thrown) {
      // The cache may have changed what it has: the next one who asks must hear of it.
      this.#options.memory?.forget(this.#files.identity, this.described.path.hashPart);
      throw thrown;
    }
  }

  /** The node that the address of the NAR names, where its contents are here already and have the NAR's hash. */
  async #nearby(to: CastoreServices, options: TakeOptions): Promise<Node | undefined> {
    const { url, narSha256, narSize } = this.described;
    const node = parseCastoreNarPath(url)?.node;
    if (node?.kind !== "directory" && node?.kind !== "file") return undefined;
    const { signal, lease } = options;
    const held = node.kind === "directory" ? to.directories : to.blobs;
    if (!(await held.has(node.digest, { signal, lease }))) return undefined;
    const nar = await calculateNar(node, to, { signal });
    return nar.narSize === narSize && equalBytes(nar.narSha256, narSha256) ? node : undefined;
  }

  async #download(to: CastoreServices, { signal, lease, onBytes }: TakeOptions): Promise<Node> {
    const { url, narSha256, narSize, fileHash, fileSize, path } = this.described;
    const compression = this.#compression();
    const hasher = fileHash && createHasher(fileHash.algorithm);
    let came = 0;
    const file = this.#files;
    const received = async function* (): ByteStream {
      for await (const chunk of file.stream(url, { signal })) {
        came += chunk.length;
        if (fileSize !== undefined && came > fileSize)
          throw wrong(`is longer than the ${fileSize} bytes it shall have`);
        hasher?.update(chunk);
        onBytes?.(chunk.length);
        yield chunk;
      }
      if (fileSize !== undefined && came !== fileSize) throw wrong(`has ${came} bytes instead of ${fileSize}`);
      if (hasher !== undefined && fileHash !== undefined && !equalBytes(hasher.digest(), fileHash.bytes))
        throw wrong("has another hash than it shall have");
    };
    const wrong = (what: string) => new HttpCacheError("malformed", `the file of ${path} from ${this.source} ${what}`);
    const nar = await ingestNar(decompress(received(), compression, signal), to, { signal, lease, narSha256, narSize });
    return nar.node;
  }

  #compression(): Compression {
    try {
      return parseCompression(this.described.compression);
    } catch (thrown) {
      const message = `${this.source} packs ${this.described.path} in a way that cannot be unpacked here: '${this.described.compression.slice(0, 40)}'`;
      throw new HttpCacheError("unsupported", message, { cause: thrown });
    }
  }
}
