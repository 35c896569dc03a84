/*
Path infos that are signed on their way in, with one's own keys.
*/

import type { CallOptions } from "@firn/castore";
import type { SecretKey, StorePath } from "@firn/nix-compat";
import type { PathInfo, SignatureScheme } from "./path-info.ts";
import type { PathInfoService, PathInfoServiceSupports } from "./path-info-service.ts";
import { checkPathInfo } from "./path-info-rules.ts";
import { signPathInfo } from "./signing.ts";

export class SigningPathInfos implements PathInfoService {
  readonly #inner: PathInfoService;
  readonly #keys: readonly SecretKey[];
  readonly #schemes: readonly SignatureScheme[] | undefined;
  readonly #storeDir: string | undefined;

  /** Both schemes when not said. */
  constructor(
    inner: PathInfoService,
    keys: readonly SecretKey[],
    options: { readonly schemes?: readonly SignatureScheme[]; readonly storeDir?: string } = {},
  ) {
    this.#inner = inner;
    this.#keys = keys;
    this.#schemes = options.schemes;
    this.#storeDir = options.storeDir;
  }

  get supports(): PathInfoServiceSupports {
    return this.#inner.supports;
  }

  get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    return this.#inner.get(hashPart, options);
  }

  async put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    const signed: PathInfo[] = [];
    for (const info of infos) checkPathInfo(info);
    for (const info of infos) signed.push(await signPathInfo(info, this.#keys, this.#schemes, this.#storeDir));
    await this.#inner.put(signed, options);
  }

  list(options?: CallOptions): AsyncIterable<PathInfo> {
    return this.#inner.list(options);
  }

  referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    return this.#inner.referrers(path, options);
  }
}
