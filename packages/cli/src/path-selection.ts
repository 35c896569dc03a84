/*
The paths a command works on: those that are named, their closures, or all of the store.
*/

import type { StorePath } from "@firn/nix-compat";
import { closureOf, needPathInfo, type PathInfo } from "@firn/store";
import { CliError } from "./error.ts";
import type { OpenedStore } from "./opened-store.ts";
import type { Session } from "./session.ts";
import { findPlace } from "./store-target.ts";

/** The path infos of what people named; throws `not-found` for what is not in the store. What is inside a path stands for the path. */
export async function namedPaths(texts: readonly string[], store: OpenedStore, session: Session): Promise<PathInfo[]> {
  const infos: PathInfo[] = [];
  for (const text of texts) infos.push(await pathInfoOf(findPlace(text, session).path, store, session));
  return infos;
}

/** As above, with all they refer to, references first. */
export async function closurePaths(
  texts: readonly string[],
  store: OpenedStore,
  session: Session,
): Promise<PathInfo[]> {
  const roots = await namedPaths(texts, store, session);
  return closureOf(
    roots.map(({ path }) => path),
    store.pathInfos,
    { signal: session.signal },
  );
}

async function pathInfoOf(path: StorePath, store: OpenedStore, { signal, config }: Session): Promise<PathInfo> {
  return needPathInfo(path, store.pathInfos, { signal }).catch((thrown: { code?: unknown }) => {
    if (thrown.code !== "missing") throw thrown;
    throw new CliError("not-found", `path '${path.absolute(config.storeDir)}' is not in the store ${store.label}`);
  });
}
