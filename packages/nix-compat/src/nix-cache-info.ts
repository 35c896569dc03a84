/*
What a binary cache says of itself, the file `nix-cache-info`: for which store directory it is, how soon it is to be asked compared with others, and
whether it minds being asked about many paths. Follows BinaryCacheStore::init.
*/

import { NixCompatError } from "./error.ts";
import { DEFAULT_STORE_DIR } from "./store-path.ts";

/** Longest text that is read, in bytes. */
export const NIX_CACHE_INFO_BYTES_MAX = 64 * 1024;
/** What C++ Nix takes where a cache does not say. */
const DEFAULT_PRIORITY = 50;
const PRIORITY_MAX = 0x7fff_ffff;

export type NixCacheInfo = {
  readonly storeDir: string;
  readonly wantMassQuery: boolean;
  /** Lower ones are asked first. */
  readonly priority: number;
};

/** Reads it; lines that are not known are ignored. Throws `invalid-nix-cache-info` or `limit`. */
export function parseNixCacheInfo(text: string): NixCacheInfo {
  if (text.length > NIX_CACHE_INFO_BYTES_MAX)
    throw new NixCompatError("limit", `a nix-cache-info has more than ${NIX_CACHE_INFO_BYTES_MAX} bytes`);
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon >= 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const priority = fields.get("Priority") ?? String(DEFAULT_PRIORITY);
  if (!/^-?[0-9]{1,10}$/.test(priority) || Math.abs(Number(priority)) > PRIORITY_MAX)
    throw new NixCompatError("invalid-nix-cache-info", `'${priority.slice(0, 40)}' is no priority of a binary cache`);
  return {
    storeDir: fields.get("StoreDir") ?? DEFAULT_STORE_DIR,
    wantMassQuery: fields.get("WantMassQuery") === "1",
    priority: Number(priority),
  };
}

export function printNixCacheInfo({ storeDir, wantMassQuery, priority }: NixCacheInfo): string {
  return `StoreDir: ${storeDir}\nWantMassQuery: ${wantMassQuery ? 1 : 0}\nPriority: ${priority}\n`;
}
