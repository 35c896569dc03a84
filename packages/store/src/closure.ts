/*
The closure of paths over their references, in an order in which they can be registered: references first. Cycles cannot be, but for a path that
names itself.
*/

import { mapConcurrently, throwIfAborted } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { StoreError } from "./error.ts";

const ASKED_AT_ONCE = 32;
/** Most paths of one closure. */
export const CLOSURE_PATHS_MAX = 1 << 22;

/** What a closure is found from. */
type Referring = { readonly path: StorePath; readonly references: readonly StorePath[] };

/** Whoever can be asked for such things: a PathInfoService, for one. */
export type ReferringSource<Info> = {
  readonly get: (hashPart: string, options?: CallOptions) => Promise<Info | undefined>;
};

export type ClosureOptions = CallOptions & {
  /** True for a path whose references are not followed, nor is it part of the answer: it is known to be where it shall be. */
  readonly skip?: (path: StorePath) => Promise<boolean> | boolean;
};

/** All path infos reachable from `roots`, references before referrers. Throws `missing` for a path that is not registered. */
export async function closureOf<Info extends Referring>(
  roots: readonly StorePath[],
  pathInfos: ReferringSource<Info>,
  options: ClosureOptions = {},
): Promise<Info[]> {
  const { skip, signal } = options;
  const found = new Map<string, Info | undefined>();
  let level = [...new Map(roots.map((path) => [path.toString(), path])).values()];
  while (level.length > 0) {
    throwIfAborted(signal);
    if (found.size + level.length > CLOSURE_PATHS_MAX)
      throw new StoreError("limit", `a closure has more than ${CLOSURE_PATHS_MAX} paths`);
    const infos = await mapConcurrently(
      level,
      ASKED_AT_ONCE,
      async (path) => ((await skip?.(path)) ? undefined : needPathInfo(path, pathInfos, options)),
      signal,
    );
    const next = new Map<string, StorePath>();
    for (const [i, info] of infos.entries()) found.set(level[i].toString(), info);
    for (const info of infos) {
      for (const reference of info?.references ?? []) {
        const key = reference.toString();
        if (!found.has(key)) next.set(key, reference);
      }
    }
    level = [...next.values()];
  }
  return inRegistrationOrder([...found.values()].filter((info) => info !== undefined));
}

/** The path info of exactly this path, or `missing`. */
export async function needPathInfo<Info extends Referring>(
  path: StorePath,
  pathInfos: ReferringSource<Info>,
  options?: CallOptions,
): Promise<Info> {
  const info = await pathInfos.get(path.hashPart, options);
  if (info?.path.equals(path)) return info;
  throw new StoreError("missing", `path ${path} is not registered`, { context: { path: path.toString() } });
}

/** These, references before referrers. References to others do not count. */
export function inRegistrationOrder<Info extends Referring>(infos: readonly Info[]): Info[] {
  const byPath = new Map(infos.map((info) => [info.path.toString(), info]));
  const ordered: Info[] = [];
  const entered = new Set<string>();
  for (const top of byPath.values()) {
    if (entered.has(top.path.toString())) continue;
    entered.add(top.path.toString());
    const open = [{ info: top, references: top.references.values() }];
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      const next = last.references.next();
      if (next.done) {
        open.pop();
        ordered.push(last.info);
        continue;
      }
      const key = next.value.toString();
      const info = byPath.get(key);
      if (info === undefined || entered.has(key)) continue;
      entered.add(key);
      open.push({ info, references: info.references.values() });
    }
  }
  return ordered;
}
