/* A store's upkeep, served: roots, and a collection that tells how far it is. */

import type { GarbageProgress, GarbageResult, StoreUpkeep } from "@firn/store";
import { ProtocolError } from "./error.ts";
import { bigOfNumber, numberOfBig } from "./node-message.ts";
import { storePathOfText } from "./path-info-message.ts";
import { type RpcHandler, serverStream, unary } from "./rpc.ts";
import {
  ADD_ROOT_RESPONSE,
  COLLECT_GARBAGE_RESPONSE,
  LIST_ROOTS_RESPONSE,
  REMOVE_ROOT_RESPONSE,
  UPKEEP_METHODS,
} from "./upkeep-methods.ts";

/** Paths of one message; a base name has at most 244 bytes. */
const PATHS_AT_ONCE = 4096;

export function upkeepHandlers(upkeep: StoreUpkeep): readonly RpcHandler[] {
  const { roots } = upkeep;
  return [
    serverStream(UPKEEP_METHODS.listRoots, async function* () {
      for (const { name, link, path } of await roots.listRoots())
        yield LIST_ROOTS_RESPONSE.make({ name, link, path: path.toString() });
    }),
    unary(UPKEEP_METHODS.addRoot, async ({ name, path }) => {
      await roots.addRoot(name, storePathOfText(path));
      return ADD_ROOT_RESPONSE.make({});
    }),
    unary(UPKEEP_METHODS.removeRoot, async ({ root }) => {
      if (root.case === undefined) throw new ProtocolError("invalid-argument", "the request names no root");
      if (root.case === "name") await roots.removeRoot(root.value);
      else await roots.removeIndirectRoot(root.value);
      return REMOVE_ROOT_RESPONSE.make({});
    }),
    serverStream(UPKEEP_METHODS.collectGarbage, async function* (request, { signal }) {
      let progress: GarbageProgress | undefined;
      let change = Promise.withResolvers<undefined>();
      const collecting = upkeep.collectGarbage({
        dryRun: request.dryRun,
        maxFreedBytes: numberOfBig(request.maxFreedBytes),
        registeredBefore: numberOfBig(request.registeredBefore),
        signal,
        onProgress: (made) => {
          progress = made;
          change.resolve(undefined);
        },
      });
      collecting.catch(() => undefined); // thrown below, unless the caller left: then the signal has ended it
      for (;;) {
        const result = await Promise.race([collecting, change.promise]);
        change = Promise.withResolvers();
        if (progress !== undefined) yield messageOfProgress(progress);
        progress = undefined;
        if (result === undefined) continue;
        yield* messagesOfResult(result);
        return;
      }
    }),
  ];
}

function messageOfProgress({ phase, done, total }: GarbageProgress) {
  const value = { phase, done: BigInt(done), total: bigOfNumber(total) };
  return COLLECT_GARBAGE_RESPONSE.make({ event: { case: "progress", value } });
}

function* messagesOfResult({ deadPaths, livePaths, directories, blobs, chunks, freedBytes, markMs }: GarbageResult) {
  for (let at = 0; at < deadPaths.length; at += PATHS_AT_ONCE) {
    const paths = deadPaths.slice(at, at + PATHS_AT_ONCE).map(String);
    yield COLLECT_GARBAGE_RESPONSE.make({ event: { case: "deadPaths", value: { paths } } });
  }
  const counts = {
    livePaths: BigInt(livePaths),
    directories: BigInt(directories),
    blobs: BigInt(blobs),
    chunks: BigInt(chunks),
    freedBytes: BigInt(freedBytes),
  };
  yield COLLECT_GARBAGE_RESPONSE.make({ event: { case: "result", value: { ...counts, markMs } } });
}
