/*
What every PathInfoService does with a put, whatever it stores in: check each, check that the references are registered or come
along, merge with what is there. The caller runs it inside its own transaction and writes what comes out.
*/

import { StoreError } from "./error.ts";
import type { PathInfo } from "./path-info.ts";
import { checkPathInfo, mergePathInfo } from "./path-info-rules.ts";

/**
 * The infos that have to be written, those that change nothing left out. `registered` finds an earlier one by hash part.
 * Throws before anything is written: `invalid-path-info`, `missing` for a reference that is nowhere, `conflict`.
 */
export function mergeAll(
  infos: readonly PathInfo[],
  registered: (hashPart: string) => PathInfo | undefined,
): PathInfo[] {
  const coming = new Map<string, PathInfo>();
  for (const info of infos) {
    checkPathInfo(info);
    const earlier = coming.get(info.path.hashPart) ?? registered(info.path.hashPart);
    const merged = earlier === undefined ? info : mergePathInfo(earlier, info);
    if (merged !== earlier) coming.set(info.path.hashPart, merged);
  }
  for (const info of coming.values()) {
    for (const reference of info.references) {
      const target = coming.get(reference.hashPart) ?? registered(reference.hashPart);
      if (target?.path.equals(reference)) continue;
      throw new StoreError("missing", `${info.path} refers to ${reference}, which is not registered`, {
        context: { path: info.path.toString(), reference: reference.toString() },
      });
    }
  }
  return [...coming.values()];
}
