/*
Addresses of caches, as people write them: `https://cache.example.org`, with or without `nix+` before it, `file:///…`, or the path of a directory. Parameters of Nix'
behind a question mark: `priority`, `compression`, `write-nar-listing`, `index-debug-info`; others stay part of an HTTP address.
*/

import { fileURLToPath } from "node:url";
import { messageOf } from "@firn/base";
import { type Compression, parseCompression } from "@firn/compression";
import type { CacheFiles } from "./cache-files.ts";
import { DirectoryFiles } from "./directory-files.ts";
import { HttpCacheError } from "./error.ts";
import { HttpFiles, type HttpFilesOptions } from "./http-files.ts";
import { NixCache, type NixCacheOptions } from "./nix-cache.ts";
import { shownAddress } from "./shown-address.ts";

export type OpenedNixCache = Disposable & {
  readonly cache: NixCache;
  /** How what is published is packed. */
  readonly compression: Compression;
  /** Whether listings are published beside NARs. */
  readonly writesListings: boolean;
  /** Whether it is published which NAR has the debug information of a build id. */
  readonly indexesDebugInfo: boolean;
};

/** Parameters that mean something to Nix alone. */
const TAKEN = [
  "priority",
  "compression",
  "write-nar-listing",
  "index-debug-info",
  "trusted",
  "want-mass-query",
  "parallel-compression",
  "compression-level",
];

/** Whether the text is meant as the address of a binary cache. */
export function isNixCacheUrl(text: string): boolean {
  return /^(?:nix\+)?(?:https?|file):\/\//.test(text);
}

/** Opens a cache without asking it anything. Throws `unsupported` for other addresses. */
export function openNixCache(text: string, options: NixCacheOptions & HttpFilesOptions = {}): OpenedNixCache {
  let url: URL;
  try {
    if (!isNixCacheUrl(text)) throw new HttpCacheError("unsupported", "expected https://…, http://… or file:///…");
    url = new URL(text.replace(/^nix\+/, ""));
    const parameters = new Map(TAKEN.map((name) => [name, url.searchParams.get(name)]));
    for (const name of TAKEN) url.searchParams.delete(name);
    const isOn = (name: string) => /^(1|true)$/.test(parameters.get(name) ?? "");
    const priority = parameters.get("priority") ?? undefined;
    if (priority !== undefined && !/^-?\d{1,10}$/.test(priority))
      throw new HttpCacheError("unsupported", `a priority is a whole number, not '${priority.slice(0, 40)}'`);
    const files: CacheFiles =
      url.protocol === "file:"
        ? new DirectoryFiles(fileURLToPath(`file://${url.pathname}`))
        : new HttpFiles(url.href, options);
    return {
      cache: new NixCache(files, priority === undefined ? options : { ...options, priority: Number(priority) }),
      compression: parseCompression(parameters.get("compression") ?? "zstd"),
      writesListings: isOn("write-nar-listing"),
      indexesDebugInfo: isOn("index-debug-info"),
      [Symbol.dispose]: () => {
        if (files instanceof HttpFiles) files[Symbol.dispose]();
      },
    };
  } catch (thrown) {
    const message = `'${shownAddress(text)}' is no address of a binary cache: ${messageOf(thrown)}`;
    throw new HttpCacheError("unsupported", message, { cause: thrown });
  }
}
