/*
Realisations that travel with paths: of everything a copy brought, what derivation it came out of. They go after their paths, for one that leads
nowhere is forgotten by the next garbage collection. What the target knows better, because it built something else, it keeps.
*/

import type { CallOptions } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { closureOf } from "./closure.ts";
import type { PathInfoService } from "./path-info-service.ts";
import type { Realisation } from "./realisation.ts";
import type { RealisationService } from "./realisation-service.ts";

export type RealisedStore = {
  readonly pathInfos: Pick<PathInfoService, "get">;
  /** Absent where none are kept. */
  readonly realisations?: RealisationService;
};

/** Realisations a store has of `roots` and everything they refer to. Throws `missing` for a path that is not registered. */
export async function realisationsOf(
  roots: readonly StorePath[],
  { pathInfos, realisations }: RealisedStore,
  options: CallOptions = {},
): Promise<Realisation[]> {
  const all = realisations === undefined ? [] : await Array.fromAsync(realisations.list(options));
  if (all.length === 0) return all; // as in most stores
  const closure = await closureOf(roots, pathInfos, options);
  const paths = new Set(closure.map(({ path }) => path.toString()));
  return all.filter(({ path }) => paths.has(path.toString()));
}

/** Copies them to a store that has the paths by now; `options.lease` is one of the target's. Yields how many it keeps, known ones included. */
export async function copyRealisations(
  roots: readonly StorePath[],
  from: RealisedStore,
  to: RealisedStore,
  { signal, lease }: CallOptions = {},
): Promise<number> {
  const { realisations } = to;
  if (realisations === undefined) return 0;
  const isThere = async (path: StorePath) =>
    (await to.pathInfos.get(path.hashPart, { signal, lease }))?.path.equals(path) === true;
  const taken: Realisation[] = [];
  for (const realisation of await realisationsOf(roots, from, { signal })) {
    const known = await realisations.get(realisation.drvPath, realisation.output, { signal, lease });
    const isOther = known !== undefined && !known.path.equals(realisation.path);
    if (isOther && (await isThere(known.path))) continue;
    if (await isThere(realisation.path)) taken.push(realisation);
  }
  if (taken.length > 0) await realisations.put(taken, { signal, lease });
  return taken.length;
}
