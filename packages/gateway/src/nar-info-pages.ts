/*
The narinfos of a store's paths, signed when they are asked for and remembered for some seconds: clients ask for the same ones again and again, and signing is
the dearest part of an answer. What a path was deleted meanwhile costs is a narinfo whose NAR is gone, which any cache may have.
*/

import { bytesOf } from "@firn/base";
import { type CallOptions, LruMap } from "@firn/castore";
import { createHasher, toHex } from "@firn/hash";
import { printNarInfo, type SecretKey } from "@firn/nix-compat";
import { narInfoOf, type PathInfoService, printCastoreNarPath, signPathInfo } from "@firn/store";

/** What remembered pages may take. */
const PAGES_BYTES_MAX = 64 * 1024 * 1024;
const FRESH_MS = 10_000;

export type NarInfoPage = { readonly bytes: Uint8Array; readonly etag: string };

export type NarInfoPagesParts = {
  readonly pathInfos: Pick<PathInfoService, "get">;
  readonly keys: readonly SecretKey[];
  readonly storeDir: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
};

export class NarInfoPages {
  readonly #parts: NarInfoPagesParts;
  readonly #pages = new LruMap<string, { readonly page: NarInfoPage; readonly freshUntil: number }>(PAGES_BYTES_MAX);

  constructor(parts: NarInfoPagesParts) {
    this.#parts = parts;
  }

  /** The page if it is at hand. */
  remembered(hashPart: string): NarInfoPage | undefined {
    const known = this.#pages.get(hashPart);
    return known !== undefined && this.#parts.now() < known.freshUntil ? known.page : undefined;
  }

  /** The page, or undefined when the store has no such path. */
  async get(hashPart: string, options?: CallOptions): Promise<NarInfoPage | undefined> {
    const { pathInfos, keys, storeDir, now } = this.#parts;
    const info = await pathInfos.get(hashPart, options);
    const url = info && printCastoreNarPath(info);
    if (info === undefined || url === undefined) {
      this.forget(hashPart);
      return undefined;
    }
    const signed = keys.length === 0 ? info : await signPathInfo(info, keys, ["nix"], storeDir);
    const fileHash = { algorithm: "sha256", bytes: info.narSha256 } as const;
    const file = { url, compression: "none", fileHash, fileSize: info.narSize };
    const bytes = bytesOf(printNarInfo(narInfoOf(signed, file), storeDir));
    const etag = `"${toHex(createHasher("sha256").update(bytes).digest()).slice(0, 32)}"`;
    const page = { bytes, etag };
    this.#pages.set(hashPart, { page, freshUntil: now() + FRESH_MS }, bytes.length + 256);
    return page;
  }

  /** Makes the next `get` ask the store. */
  forget(hashPart: string): void {
    this.#pages.delete(hashPart);
  }
}
