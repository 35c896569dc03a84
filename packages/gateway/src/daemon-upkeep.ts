/*
Roots, garbage, verification: what keeps a store in order, as far as clients may ask for it.
*/

import type { ByteString } from "@firn/base";
import { WORKER_LEVEL } from "@firn/nix-compat";
import type { DaemonHandlers } from "./daemon-call.ts";
import { GatewayError } from "./error.ts";

/** What clients nobody trusts see instead of where others' links are. */
const CENSORED: ByteString = "{censored}";

export const DAEMON_UPKEEP: DaemonHandlers<
  | "addTempRoot"
  | "addIndirectRoot"
  | "addPermRoot"
  | "syncWithGc"
  | "findRoots"
  | "collectGarbage"
  | "optimiseStore"
  | "verifyStore"
> = {
  /** Held until the client goes; a path that is not there is nothing to hold, and no error, as in Nix. */
  addTempRoot: async ({ path }, call) => {
    await call.find(path, await call.held());
  },

  addIndirectRoot: async ({ link }, { host }) => {
    if (!link.startsWith("/"))
      throw new GatewayError("bad-request", `a root's link is an absolute path, not '${link}'`);
    if (host.roots === undefined) throw new GatewayError("method", "no roots are kept here");
    await host.roots.addIndirect(link);
  },

  addPermRoot: async ({ path, root }, call) => {
    call.needTrust("create perm roots");
    const { roots, storeDir } = call.host;
    if (roots === undefined) throw new GatewayError("method", "no roots are kept here");
    if (!root.startsWith("/") || root.startsWith(`${storeDir}/`))
      throw new GatewayError("bad-request", `a root is an absolute path outside of the store, not '${root}'`);
    await call.need(path, await call.held());
    await roots.addPermanent(root, path);
    return root;
  },

  syncWithGc: async () => {},

  findRoots: async (_, { host, state }) => {
    const roots = (await host.roots?.list()) ?? [];
    return roots.map(({ link, path }) => ({ link: state.trusted ? link : CENSORED, path }));
  },

  collectGarbage: async ({ action, collected, ignoreLiveness, maxFreedBytes }, call) => {
    const { host, signal } = call;
    if (ignoreLiveness) throw new GatewayError("forbidden", "you are not allowed to ignore liveness");
    if (collected.referrers)
      throw new GatewayError("method", "paths are deleted here only without the paths that refer to them");
    if (host.collectGarbage === undefined) throw new GatewayError("method", "no garbage is collected here");
    const isNamed = action === "delete-specific" || !collected.whole;
    const { deadPaths, freedBytes } = await host.collectGarbage({
      dryRun: action === "live" || action === "dead",
      ...(isNamed ? { only: collected.paths } : {}),
      ...(maxFreedBytes <= BigInt(Number.MAX_SAFE_INTEGER) ? { maxFreedBytes: Number(maxFreedBytes) } : {}),
      signal,
    });
    let paths = deadPaths;
    if (action === "live") {
      const dead = new Set(deadPaths.map(String));
      paths = [];
      for await (const { path } of host.services.pathInfos.list({ signal }))
        if (!dead.has(path.toString())) (paths as (typeof deadPaths)[number][]).push(path);
    } else if (action !== "dead") {
      for (const path of deadPaths) call.state.log.say(WORKER_LEVEL.info, `deleting '${path.absolute(host.storeDir)}'`);
    }
    return { paths: paths.map((path) => path.absolute(host.storeDir)), freedBytes, obsolete: undefined };
  },

  /** Equal contents are kept once anyway. */
  optimiseStore: async () => {},

  verifyStore: async ({ checkContents, repair }, call) => {
    if (repair) call.needTrust("repair paths");
    const { host, signal, state } = call;
    if (host.verify === undefined) throw new GatewayError("method", "nothing is verified here");
    const onFinding = (text: string) => state.log.say(WORKER_LEVEL.error, text);
    return await host.verify({ contents: checkContents, repair, signal, onFinding });
  },
};
