/*
The runtime closure of store paths: themselves, what they refer to, what that refers to. It is read from path infos alone, a wave of
references at a time.
*/

import { type ByteString, mapConcurrently } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import { DEFAULT_STORE_DIR, parseAbsoluteStorePath } from "@firn/nix-compat";
import type { PathInfo, PathInfoService } from "@firn/store";
import { GlueError } from "./error.ts";

/** Path infos asked for at once. */
const LOOKUPS_MAX = 16;

export type ClosureOptions = CallOptions & { readonly storeDir?: string };

/** Path infos of the closure of absolute store paths, by absolute store path, in no order. Throws `missing-input` for a path that is not registered. */
export async function closureOf(
  pathInfos: Pick<PathInfoService, "get">,
  paths: Iterable<ByteString>,
  options: ClosureOptions = {},
): Promise<Map<ByteString, PathInfo>> {
  const storeDir = options.storeDir ?? DEFAULT_STORE_DIR;
  const closure = new Map<ByteString, PathInfo>();
  const seen = new Set<ByteString>(paths);
  for (let wave = [...seen]; wave.length > 0; ) {
    const lookUp = async (path: ByteString, signal: AbortSignal) => {
      const info = await pathInfos.get(parseAbsoluteStorePath(path, storeDir).hashPart, {
        lease: options.lease,
        signal,
      });
      if (info?.path.absolute(storeDir) === path) return info;
      throw new GlueError("missing-input", `path '${path}' is not in the store`, { context: { path } });
    };
    const infos = await mapConcurrently(wave, LOOKUPS_MAX, lookUp, options.signal);
    const next: ByteString[] = [];
    infos.forEach((info, index) => {
      closure.set(wave[index], info);
      for (const reference of info.references) {
        const path = reference.absolute(storeDir);
        if (seen.has(path)) continue;
        seen.add(path);
        next.push(path);
      }
    });
    wave = next;
  }
  return closure;
}
