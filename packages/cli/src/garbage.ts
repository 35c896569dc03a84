/*
Roots and garbage of the chosen store. Collecting garbage as a command does it in its own store: old generations of profiles go first where that is asked for, then comes the store's own collection, then
go the links to outputs that lead to nothing after it.
*/

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { GcOptions } from "@firn/backend-local";
import { HASH_PART_CHARS } from "@firn/nix-compat";
import type { GarbageProgress, GarbageResult, StoreUpkeep } from "@firn/store";
import { CliError } from "./error.ts";
import { LiveLine } from "./live-line.ts";
import { type Generation, adoptProfiles, knownProfiles, oldGenerations, removeGenerations } from "./profile.ts";
import type { Session } from "./session.ts";

export type CollectOptions = Omit<GcOptions, "withoutLinks" | "keptBlobs"> & {
  /** Generations of profiles that go first: all but the current ones, or those that were current at no time since so long. */
  readonly oldGenerations?: "all" | { readonly olderThanMs: number };
};

export type Collected = GarbageResult & { readonly generations: readonly Generation[] };

/** The roots and the garbage of the store that was chosen. Throws `usage` when it has none. */
export async function upkeepOf(session: Session): Promise<StoreUpkeep> {
  if (session.isLocal) return localUpkeep(session);
  const { upkeep, label } = await session.openServices();
  if (upkeep !== undefined) return upkeep;
  throw new CliError("usage", `${label} keeps no roots and collects no garbage: Firn's own stores do, and its servers`);
}

/** Those of the local store, with what a command does around it. */
export async function localUpkeep(session: Session): Promise<StoreUpkeep> {
  const { roots } = await session.openStore();
  return {
    roots: {
      listRoots: async () => {
        await adoptProfiles(session);
        return roots.listRoots();
      },
      addRoot: (name, path) => roots.addRoot(name, path),
      removeRoot: (name) => roots.removeRoot(name),
      removeIndirectRoot: (link) => roots.removeIndirectRoot(link),
    },
    collectGarbage: (options = {}) => collectQuietly(options, session),
  };
}

/** Shows on a terminal how far the collection is that `run` begins. */
export async function showCollecting<T>(
  run: (onProgress: (progress: GarbageProgress) => void) => Promise<T>,
  session: Session,
): Promise<T> {
  using line = new LiveLine(session.output);
  return await run(({ phase, done, total }) =>
    line.show(() => `${phase}: ${done}${total === undefined ? "" : ` of ${total}`}`),
  );
}

/** Collects, with progress on a terminal. Throws what the store does. */
export function collect(options: CollectOptions, session: Session): Promise<Collected> {
  return showCollecting((onProgress) => collectQuietly({ ...options, onProgress }, session), session);
}

/** Collects. Throws what the store does. */
export async function collectQuietly(options: CollectOptions, session: Session): Promise<Collected> {
  const { oldGenerations: which, ...rest } = options;
  const dryRun = options.dryRun === true;
  const store = await session.openStore();
  const generations = which === undefined ? [] : await generationsToGo(which, session);
  if (which === undefined) await adoptProfiles(session);
  if (!dryRun) {
    await removeGenerations(generations, session);
    await store.roots.clean();
  }
  const builds = await session.openBuilds();
  const result = await store.collectGarbage({
    keptBlobs: () => builds.logDigests(),
    signal: session.signal,
    ...rest,
    ...(dryRun ? { withoutLinks: new Set(generations.map(({ link }) => link)) } : {}),
  });
  if (!dryRun) await removeOutputLinks(session);
  return { ...result, generations };
}

async function generationsToGo(which: "all" | { readonly olderThanMs: number }, session: Session) {
  const olderThanMs = which === "all" ? undefined : which.olderThanMs;
  return (await knownProfiles(session)).flatMap((profile) => oldGenerations(profile, olderThanMs));
}

/** Removes what leads to the files of paths that are gone. */
async function removeOutputLinks(session: Session): Promise<void> {
  const store = await session.openStore();
  if (store.dir !== join(session.config.stateDir, "store")) return; // they lead into the usual store only
  for (const name of namesIn(session.outputsHostDir)) {
    const hashPart = name.slice(0, HASH_PART_CHARS);
    if (!/^[0-9a-z]{32}$/.test(hashPart)) continue;
    if ((await store.pathInfos.get(hashPart)) === undefined)
      rmSync(join(session.outputsHostDir, name), { force: true });
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // nothing was built yet
  }
}
