/*
Path infos of a static store. They are as good as who serves them: put `verify` before this where that is not somebody trusted.
*/

import { type CallOptions, CastoreError } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import {
  decodePathInfo,
  parseStaticIndex,
  PATH_INFO_BYTES_MAX,
  type PathInfo,
  type PathInfoService,
  type PathInfoServiceSupports,
  STATIC_INDEX,
  STATIC_INDEX_BYTES_MAX,
  StoreError,
  staticPathName,
} from "@firn/store";
import type { StaticFiles } from "./static-files.ts";

export class StaticPathInfos implements PathInfoService {
  readonly supports: PathInfoServiceSupports = { write: false, list: true };
  readonly #files: StaticFiles;
  #isStore = false;

  constructor(files: StaticFiles) {
    this.#files = files;
  }

  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    const bytes = await asStores(this.#files.read(staticPathName(hashPart), PATH_INFO_BYTES_MAX, options?.signal));
    if (bytes === undefined) await this.#checkStore(options);
    const info = bytes && decodePathInfo(bytes);
    if (info === undefined || info.path.hashPart === hashPart) return info;
    throw new StoreError("malformed", `${this.#files.label} gave ${info.path} for the hash part ${hashPart}`);
  }

  /** Any web server says of any file that it is not there; only a store has the index. */
  async #checkStore(options: CallOptions | undefined): Promise<void> {
    this.#isStore ||= await asStores(this.#files.has(STATIC_INDEX, options?.signal));
    if (!this.#isStore)
      throw new StoreError(
        "storage",
        `${this.#files.label} is no static store: it has no ${STATIC_INDEX} (firn serve has it below /castore)`,
      );
  }

  async put(): Promise<void> {
    throw new StoreError("unsupported", `${this.#files.label} is only read: firn store publish writes such a store`);
  }

  async *list(options?: CallOptions): AsyncGenerator<PathInfo, void> {
    const index = await asStores(this.#files.read(STATIC_INDEX, STATIC_INDEX_BYTES_MAX, options?.signal));
    for (const path of index === undefined ? [] : parseStaticIndex(index)) {
      const info = await this.get(path.hashPart, options);
      if (info !== undefined) yield info;
    }
  }

  async referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    const found: StorePath[] = [];
    for await (const info of this.list(options)) {
      if (!info.path.equals(path) && info.references.some((reference) => reference.equals(path))) found.push(info.path);
    }
    return found;
  }
}

/** The failures of files are castore's; what asks for path infos expects store's. */
async function asStores<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (thrown) {
    if (!(thrown instanceof CastoreError)) throw thrown;
    const code = thrown.code === "limit" ? "limit" : "storage";
    throw new StoreError(code, thrown.message, { cause: thrown, retryable: thrown.retryable });
  }
}
