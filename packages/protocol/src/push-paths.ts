/*
Paths sent to one of Firn's servers: those that it lacks are found out in one question, and sent as trees (push-nodes.ts). What goes is checked here: the server
gets contents by digest, and a tree with the same root has the same NAR.
*/

import { throwIfAborted } from "@firn/base";
import type { StorePath } from "@firn/nix-compat";
import { checkNar, closureOf, type CopyOptions, type CopyResult, type PathInfo, type StoreServices } from "@firn/store";
import { Progress } from "./bulk-copy.ts";
import type { Peer } from "./peer.ts";
import { pushNodes } from "./push-nodes.ts";
import { RemotePathInfos } from "./remote-path-infos.ts";
import { callUnary } from "./rpc.ts";
import { storeErrorOf } from "./status.ts";
import { FIRN_STORE_METHODS, MISSING_PATHS_REQUEST } from "./store-methods.ts";

/** Makes the peer, which must be one of Firn's, have the closure of `roots`. Throws `missing` when the store lacks a part. */
export async function pushPaths(
  roots: readonly StorePath[],
  from: StoreServices,
  peer: Peer,
  options: CopyOptions,
): Promise<CopyResult> {
  const { signal, lease, registeredAt } = options;
  const progress = new Progress(options);
  try {
    const infos = await lackingPaths(await closureOf(roots, from.pathInfos, { signal }), peer, options);
    progress.pathsTotal = infos.length;
    progress.tell();
    for (const info of infos) await checkNar(info, from, { signal });
    await pushNodes(
      infos.map(({ node }) => node),
      from,
      peer,
      { signal, lease },
      progress,
    );
    const registered = infos.map((info) => ({ ...info, registeredAt }));
    if (infos.length > 0) await new RemotePathInfos(peer).put(registered, { signal, lease });
    progress.paths = infos.length;
    progress.tell();
    return progress.result(infos.map(({ path }) => path));
  } catch (thrown) {
    throwIfAborted(signal);
    throw storeErrorOf(thrown);
  }
}

async function lackingPaths(
  infos: readonly PathInfo[],
  peer: Peer,
  options: CopyOptions,
): Promise<readonly PathInfo[]> {
  const request = MISSING_PATHS_REQUEST.make({ paths: infos.map(({ path }) => path.toString()) });
  const { paths } = await callUnary(peer.channel, FIRN_STORE_METHODS.missingPaths, request, peer.rpcOptions(options));
  const missing = new Set(paths);
  return infos.filter(({ path }) => missing.has(path.toString()));
}
