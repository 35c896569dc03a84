/*
What a client may ask of a store: what is there, what is known of it, what could come from elsewhere. Answers are those of C++ Nix's LocalStore.
*/

import { mapConcurrently } from "@firn/base";
import type { StorePath, WorkerPathInfo } from "@firn/nix-compat";
import { type PathInfo, renderNar } from "@firn/store";
import type { DaemonCall, DaemonHandlers } from "./daemon-call.ts";
import { findMissing } from "./daemon-missing.ts";

/** Paths that sources are asked about at the same time. */
const ASKED_AT_ONCE = 32;

type Queries =
  | "isValidPath"
  | "queryReferrers"
  | "queryDeriver"
  | "queryDerivationOutputs"
  | "queryDerivationOutputNames"
  | "queryDerivationOutputMap"
  | "queryAllValidPaths"
  | "queryPathInfo"
  | "queryPathFromHashPart"
  | "querySubstitutablePathInfo"
  | "querySubstitutablePathInfos"
  | "querySubstitutablePaths"
  | "queryValidPaths"
  | "queryValidDerivers"
  | "queryMissing"
  | "queryRealisation"
  | "narFromPath";

export const DAEMON_QUERIES: DaemonHandlers<Queries> = {
  isValidPath: async ({ path }, call) => (await shown(path, call)) !== undefined,

  queryPathInfo: async ({ path }, call) => {
    const info = await shown(path, call);
    return info === undefined ? undefined : workerPathInfo(info);
  },

  queryValidPaths: async ({ paths, substitute }, call) => {
    if (substitute) await call.bringSome(paths);
    const valid: StorePath[] = [];
    for (const path of paths) if ((await call.find(path)) !== undefined) valid.push(path);
    await call.show(valid);
    return valid;
  },

  queryAllValidPaths: async (_, call) => {
    const paths: StorePath[] = [];
    for await (const { path } of call.host.services.pathInfos.list({ signal: call.signal })) paths.push(path);
    return paths;
  },

  queryPathFromHashPart: async ({ hashPart }, call) => {
    const info = await call.host.services.pathInfos.get(hashPart, { signal: call.signal });
    return info?.path;
  },

  /** With the path itself when it refers to itself, as Nix's table has it. */
  queryReferrers: async ({ path }, call) => {
    const { references } = await call.need(path);
    const others = await call.host.services.pathInfos.referrers(path, { signal: call.signal });
    return references.some((reference) => reference.equals(path)) ? [path, ...others] : others;
  },

  queryDeriver: async ({ path }, call) => (await call.need(path)).deriver,

  queryValidDerivers: async ({ path }, call) => {
    const derivers: StorePath[] = [];
    for await (const { path: candidate } of call.host.services.pathInfos.list({ signal: call.signal })) {
      // An output's name begins with its derivation's.
      if (!candidate.isDerivation || !path.name.startsWith(candidate.name.slice(0, -".drv".length))) continue;
      const outputs = await call.outputs(candidate, await call.derivation(candidate));
      if ([...outputs.values()].some((output) => output?.equals(path))) derivers.push(candidate);
    }
    return derivers;
  },

  queryDerivationOutputMap: async ({ path }, call) => {
    const outputs = await call.outputs(path, await call.derivation(path));
    return Array.from(outputs, ([name, output]) => ({ name, path: output }));
  },

  queryDerivationOutputs: async ({ path }, call) => {
    const outputs = await call.outputs(path, await call.derivation(path));
    return [...outputs.values()].filter((output) => output !== undefined);
  },

  queryDerivationOutputNames: async ({ path }, call) => [...(await call.derivation(path)).outputs.keys()],

  querySubstitutablePathInfo: async ({ path }, call) => (await offered([path], call))[0]?.info,
  querySubstitutablePathInfos: async (asked, call) => {
    return await offered(
      asked.map(({ path }) => path),
      call,
    );
  },
  querySubstitutablePaths: async ({ paths }, call) => (await offered(paths, call)).map(({ path }) => path),

  queryMissing: ({ targets }, call) => findMissing(targets, call),

  /** Older ends name what is realised by a hash, which is looked for. */
  queryRealisation: async ({ id: { drv, output } }, call) => {
    const { host, signal, state } = call;
    const found =
      typeof drv === "string"
        ? await state.hashed?.find(`${drv}!${output}`, { signal })
        : await host.realisations?.get(drv, output, { signal });
    return found === undefined ? undefined : { path: found.path, signatures: found.signatures };
  },

  narFromPath: async ({ path }, call) => {
    const { node } = await call.need(path, await call.held());
    call.nar = renderNar(node, call.host.services, { signal: call.signal });
  },
};

/** What a client is told of a path. `ultimate` says that it was built here and needs no signature, which Firn does not keep. */
export function workerPathInfo(info: PathInfo): WorkerPathInfo {
  const { deriver, narSha256, references, registeredAt, narSize, contentAddress } = info;
  const signatures = info.signatures
    .filter(({ scheme }) => scheme === undefined)
    .map(({ keyName, bytes }) => ({ keyName, bytes }));
  return { deriver, narSha256, references, registeredAt, narSize, ultimate: false, signatures, contentAddress };
}

/** What sources say they have of these paths. */
async function offered(paths: readonly StorePath[], call: DaemonCall) {
  using sources = call.openSources();
  if (sources === undefined) return [];
  const ask = async (path: StorePath, signal: AbortSignal) => {
    const offer = await sources.offer(path, { signal });
    if (offer === undefined) return [];
    const { deriver, references, narSize } = offer.described;
    return [{ path, info: { deriver, references, narSize, downloadBytes: offer.downloadBytes ?? 0 } }];
  };
  return (await mapConcurrently(paths, ASKED_AT_ONCE, ask, call.signal)).flat();
}

async function shown(path: StorePath, call: DaemonCall): Promise<PathInfo | undefined> {
  const info = await call.find(path);
  if (info !== undefined) await call.show([path]);
  return info;
}
