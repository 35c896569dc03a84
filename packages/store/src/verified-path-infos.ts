/*
Path infos from a source that is not trusted. One is passed on when a trusted key signed it in Firn's way, for then its root node is vouched for;
or in Nix's way, or when it is content-addressed, and its contents were found to be what it says, which takes reading them once.
*/

import { equalBytes } from "@firn/base";
import type { CallOptions, CastoreServices } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { checkContentAddress, isContentAddressed } from "./content-check.ts";
import { StoreError } from "./error.ts";
import type { NarCalculator } from "./nar-calculator.ts";
import type { PathInfo } from "./path-info.ts";
import type { PathInfoService, PathInfoServiceSupports } from "./path-info-service.ts";
import type { TrustedKeys } from "./signing.ts";

export type VerifiedPathInfosParts = {
  readonly inner: PathInfoService;
  readonly keys: TrustedKeys;
  /** Where contents are read for checking; they must be verified against their digests. */
  readonly contents: CastoreServices;
  readonly calculator: NarCalculator;
  readonly storeDir?: string;
};

export class VerifiedPathInfos implements PathInfoService {
  readonly #parts: VerifiedPathInfosParts;

  constructor(parts: VerifiedPathInfosParts) {
    this.#parts = parts;
  }

  get supports(): PathInfoServiceSupports {
    return this.#parts.inner.supports;
  }

  /** Throws `untrusted`, or `mismatch` where contents are not what was signed. */
  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    const info = await this.#parts.inner.get(hashPart, options);
    if (info === undefined) return undefined;
    if (info.path.hashPart !== hashPart)
      throw new StoreError("mismatch", `${hashPart} was asked for, ${info.path} came`);
    await this.#check(info, options);
    return info;
  }

  put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    return this.#parts.inner.put(infos, options);
  }

  /** Those that are untrusted are left out. */
  async *list(options?: CallOptions): AsyncGenerator<PathInfo, void> {
    for await (const info of this.#parts.inner.list(options)) {
      const isGood = await this.#check(info, options).then(
        () => true,
        (thrown: unknown) => {
          if (thrown instanceof StoreError && (thrown.code === "untrusted" || thrown.code === "mismatch")) return false;
          throw thrown;
        },
      );
      if (isGood) yield info;
    }
  }

  referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    return this.#parts.inner.referrers(path, options);
  }

  async #check(info: PathInfo, options?: CallOptions): Promise<void> {
    const { keys, contents, calculator, storeDir } = this.#parts;
    const good = await keys.check(info, storeDir);
    if (good.firn.length > 0) return;
    const isAddressed = isContentAddressed(info, storeDir);
    if (good.nix.length === 0 && !isAddressed) {
      throw new StoreError("untrusted", `no trusted key signed ${info.path}`, {
        context: { path: info.path.toString() },
      });
    }
    const signal = options?.signal;
    const { narSha256, narSize } = await calculator.calculateNar(info.node, { signal });
    if (!equalBytes(narSha256, info.narSha256) || narSize !== info.narSize) {
      throw new StoreError("mismatch", `the contents of ${info.path} have another NAR hash than it says`, {
        context: { path: info.path.toString() },
      });
    }
    // References and deriver of a path that nobody signed are what its address is computed from, or of no consequence.
    if (good.nix.length === 0) await checkContentAddress(info, contents, { signal, storeDir, narIsVerified: true });
  }
}
