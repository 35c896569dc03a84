/*
What a client may ask of a store: what is there, what is known of it, what would have to be built. Answers are those of C++ Nix's LocalStore, without
substituters.
*/

import type { DerivedPath, StorePath, WorkerPathInfo } from "@firn/nix-compat";
import { type PathInfo, renderNar } from "@firn/store";
import type { DaemonCall, DaemonHandlers } from "./daemon-call.ts";

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

  queryValidPaths: async ({ paths }, call) => {
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

  querySubstitutablePathInfo: async () => undefined,
  querySubstitutablePathInfos: async () => [],
  querySubstitutablePaths: async () => [],

  queryMissing: async ({ targets }, call) => {
    const { willBuild, unknown } = await findMissing(targets, call);
    return { willBuild, willSubstitute: [], unknown, downloadBytes: 0, narSize: 0 };
  },

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

async function shown(path: StorePath, call: DaemonCall): Promise<PathInfo | undefined> {
  const info = await call.find(path);
  if (info !== undefined) await call.show([path]);
  return info;
}

/** Derivations that would be built for the targets, and what nothing is known of. Follows Store::queryMissing. */
async function findMissing(
  targets: readonly DerivedPath[],
  call: DaemonCall,
): Promise<{ readonly willBuild: readonly StorePath[]; readonly unknown: readonly StorePath[] }> {
  const willBuild = new Map<string, StorePath>();
  const unknown = new Map<string, StorePath>();
  const seen = new Set<string>();
  const queue: DerivedPath[] = [...targets];
  for (let target = queue.pop(); target !== undefined; target = queue.pop()) {
    const { path, outputs: wanted } = target;
    const key = `${path}!${wanted === undefined || wanted === "all" ? wanted : wanted.join(",")}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if ((await call.find(path)) === undefined) {
      unknown.set(path.toString(), path);
      continue;
    }
    if (wanted === undefined || willBuild.has(path.toString())) continue;
    const derivation = await call.derivation(path);
    let isThere = true;
    for (const [name, output] of await call.outputs(path, derivation)) {
      if (wanted !== "all" && !wanted.includes(name)) continue;
      isThere &&= output !== undefined && (await call.find(output)) !== undefined;
    }
    if (isThere) continue;
    willBuild.set(path.toString(), path);
    for (const [input, outputs] of derivation.inputDrvs) queue.push({ path: call.parse(input), outputs });
  }
  return { willBuild: [...willBuild.values()], unknown: [...unknown.values()] };
}
