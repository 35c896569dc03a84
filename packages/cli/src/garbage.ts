/*
Collecting garbage as a command does it: the store's own collection, and the links to outputs that lead to nothing after it.
*/

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { GcOptions, GcResult } from "@firn/backend-local";
import { HASH_PART_CHARS } from "@firn/nix-compat";
import { LiveLine } from "./live-line.ts";
import type { Session } from "./session.ts";

/** Collects, with progress on a terminal. Throws what the store does. */
export async function collect(options: Omit<GcOptions, "signal" | "onProgress">, session: Session): Promise<GcResult> {
  const { output, signal } = session;
  const store = await session.openStore();
  using line = new LiveLine(output);
  if (options.dryRun !== true) await store.roots.clean();
  const result = await store.collectGarbage({
    ...options,
    signal,
    onProgress: ({ phase, done, total }) =>
      line.show(() => `${phase}: ${done}${total === undefined ? "" : ` of ${total}`}`),
  });
  if (options.dryRun !== true) await removeOutputLinks(session);
  return result;
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
