/*
Paths brought from one of Firn's servers: the closure comes in one call, and what is new of it as trees (pull-nodes.ts). Nothing that comes is believed.
*/

import { concatBytes, throwIfAborted } from "@firn/base";
import type { StorePath } from "@firn/nix-compat";
import { checkNar, closureOf, type CopyOptions, type CopyResult, type PathInfo, type StoreServices } from "@firn/store";
import { Progress } from "./bulk-copy.ts";
import { bytesOfHashPart, pathInfoOfFirnMessage } from "./path-info-message.ts";
import type { Peer } from "./peer.ts";
import { pullNodes } from "./pull-nodes.ts";
import { callServerStream } from "./rpc.ts";
import { storeErrorOf } from "./status.ts";
import { CLOSURE_REQUEST, FIRN_STORE_METHODS } from "./store-methods.ts";

/** Brings the closure of `roots` from the peer, which must be one of Firn's. Throws `missing`, `mismatch` or castore's `corrupt`. */
export async function pullPaths(
  roots: readonly StorePath[],
  peer: Peer,
  to: StoreServices,
  options: CopyOptions,
): Promise<CopyResult> {
  const { signal, lease, registeredAt } = options;
  const progress = new Progress(options);
  try {
    const infos = await lackingClosure(roots, peer, to, options);
    progress.pathsTotal = infos.length;
    progress.tell();
    await pullNodes(
      infos.map(({ node }) => node),
      peer,
      to,
      { signal, lease },
      progress,
    );
    for (const info of infos) {
      await checkNar(info, to, { signal });
      progress.paths++;
      progress.tell();
    }
    const registered = infos.map((info) => ({ ...info, registeredAt }));
    await to.pathInfos.put(registered, { signal, lease });
    return progress.result(infos.map(({ path }) => path));
  } catch (thrown) {
    throwIfAborted(signal);
    throw storeErrorOf(thrown);
  }
}

/** What the target lacks of the closure, references first. */
async function lackingClosure(
  roots: readonly StorePath[],
  { channel }: Peer,
  to: StoreServices,
  { signal, lease }: CopyOptions,
): Promise<readonly PathInfo[]> {
  const isThere = async (path: StorePath) =>
    (await to.pathInfos.get(path.hashPart, { signal, lease }))?.path.equals(path) === true;
  const lacking: StorePath[] = [];
  for (const path of roots) if (!(await isThere(path))) lacking.push(path);
  if (lacking.length === 0) return [];
  const found = new Map<string, PathInfo>();
  const request = CLOSURE_REQUEST.make({
    roots: concatBytes(lacking.map(({ hashPart }) => bytesOfHashPart(hashPart))),
  });
  for await (const { pathInfo } of callServerStream(channel, FIRN_STORE_METHODS.closure, request, { signal })) {
    const info = pathInfoOfFirnMessage(pathInfo);
    found.set(info.path.hashPart, info);
  }
  // Walked again: the peer's order and completeness are its word only.
  const get = async (hashPart: string) => found.get(hashPart);
  return closureOf(lacking, { get }, { signal, lease, skip: isThere });
}
