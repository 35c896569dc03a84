/*
Collecting garbage as a command does it: old generations of profiles go first where that is asked for, then comes the store's own collection, then
go the links to outputs that lead to nothing after it.
*/

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { GcOptions, GcResult } from "@firn/backend-local";
import { HASH_PART_CHARS } from "@firn/nix-compat";
import { LiveLine } from "./live-line.ts";
import { type Generation, adoptProfiles, knownProfiles, oldGenerations, removeGenerations } from "./profile.ts";
import type { Session } from "./session.ts";

export type CollectOptions = Omit<GcOptions, "signal" | "onProgress" | "withoutLinks" | "keptBlobs"> & {
  /** Generations of profiles that go first: all but the current ones, or those that were current at no time since so long. */
  readonly oldGenerations?: "all" | { readonly olderThanMs: number };
};

export type Collected = GcResult & { readonly generations: readonly Generation[] };

/** Collects, with progress on a terminal. Throws what the store does. */
export async function collect(options: CollectOptions, session: Session): Promise<Collected> {
  const { output, signal } = session;
  const { oldGenerations: which, ...rest } = options;
  const dryRun = options.dryRun === true;
  const store = await session.openStore();
  using line = new LiveLine(output);
  const generations = which === undefined ? [] : await generationsToGo(which, session);
  if (which === undefined) await adoptProfiles(session);
  if (!dryRun) {
    await removeGenerations(generations, session);
    await store.roots.clean();
  }
  const builds = await session.openBuilds();
  const result = await store.collectGarbage({
    keptBlobs: () => builds.logDigests(),
    ...rest,
    ...(dryRun ? { withoutLinks: new Set(generations.map(({ link }) => link)) } : {}),
    signal,
    onProgress: ({ phase, done, total }) =>
      line.show(() => `${phase}: ${done}${total === undefined ? "" : ` of ${total}`}`),
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
