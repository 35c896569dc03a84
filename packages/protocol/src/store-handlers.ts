/*
store.v1 over any services, under both of its names, and Firn's own service of path infos: all or none of many, referrers, closures.
*/

import { mapConcurrently } from "@firn/base";
import type { StorePath } from "@firn/nix-compat";
import { closureOf, type NarCalculator, type PathInfo, type PathInfoService } from "@firn/store";
import type { Dialect } from "./castore-methods.ts";
import { ProtocolError } from "./error.ts";
import type { HeldLeases } from "./held-leases.ts";
import { nodeOfMessage } from "./node-message.ts";
import {
  firnMessageOfPathInfo,
  HASH_PART_BYTES,
  hashPartOfBytes,
  messageOfPathInfo,
  pathInfoOfFirnMessage,
  pathInfoOfMessage,
  storePathOfText,
} from "./path-info-message.ts";
import { clientStream, type RpcHandler, serverStream, unary } from "./rpc.ts";
import {
  CALCULATE_NAR_RESPONSE,
  CLOSURE_RESPONSE,
  FIRN_STORE_METHODS,
  GET_RESPONSE,
  LIST_RESPONSE,
  MISSING_PATHS_RESPONSE,
  PATH_INFO,
  PUT_RESPONSE,
  REFERRERS_RESPONSE,
  STORE_METHODS,
} from "./store-methods.ts";

/** Most paths of one put; they are held until all came. */
const PUT_PATHS_MAX = 1 << 16;
const QUESTIONS_AHEAD = 64;

export type StoreHandlerParts = {
  readonly pathInfos: PathInfoService;
  readonly calculator: NarCalculator;
  readonly leases: HeldLeases;
  /** Seconds since 1970. */
  readonly now: () => number;
};

/** store.v1. */
export function storeHandlers(dialect: Dialect, parts: StoreHandlerParts): readonly RpcHandler[] {
  const { pathInfos, calculator, leases, now } = parts;
  const { get, put, calculateNar, list } = STORE_METHODS[dialect];
  const find = async (hashPart: string, options: ReturnType<HeldLeases["optionsOf"]>) => {
    const info = await pathInfos.get(hashPart, options);
    if (info === undefined) throw new ProtocolError("not-found", `no path with hash part ${hashPart} is registered`);
    return PATH_INFO.make(messageOfPathInfo(info));
  };
  return [
    unary(get, async ({ byWhat }, context) => {
      if (byWhat.case !== "byOutputHash")
        throw new ProtocolError("unimplemented", "paths are asked for by output hash");
      return find(hashPartOfBytes(byWhat.value), leases.optionsOf(context));
    }),
    unary(put, async (message, context) => {
      const info = pathInfoOfMessage(message, now());
      const options = leases.optionsOf(context);
      await pathInfos.put([info], options);
      return find(info.path.hashPart, options);
    }),
    unary(calculateNar, async (message, context) => {
      const { name, node } = nodeOfMessage(message);
      if (name !== "") throw new ProtocolError("invalid-argument", "the entry must have no name");
      const { narSize, narSha256 } = await calculator.calculateNar(node, leases.optionsOf(context));
      return CALCULATE_NAR_RESPONSE.make({ narSize: BigInt(narSize), narSha256 });
    }),
    serverStream(list, async function* (_, context) {
      for await (const info of pathInfos.list(leases.optionsOf(context))) yield PATH_INFO.make(messageOfPathInfo(info));
    }),
  ];
}

/** Firn's own. */
export function firnStoreHandlers({ pathInfos, leases }: StoreHandlerParts): readonly RpcHandler[] {
  const methods = FIRN_STORE_METHODS;
  return [
    unary(methods.get, async ({ hashPart }, context) => {
      const info = await pathInfos.get(hashPartOfBytes(hashPart), leases.optionsOf(context));
      return GET_RESPONSE.make({ pathInfo: info && firnMessageOfPathInfo(info) });
    }),
    clientStream(methods.put, async (messages, context) => {
      const infos: PathInfo[] = [];
      for await (const { pathInfo } of messages) {
        if (infos.length === PUT_PATHS_MAX)
          throw new ProtocolError("resource-exhausted", `at most ${PUT_PATHS_MAX} paths are registered at once`);
        infos.push(pathInfoOfFirnMessage(pathInfo));
      }
      await pathInfos.put(infos, leases.optionsOf(context));
      return PUT_RESPONSE.make({});
    }),
    serverStream(methods.list, async function* (_, context) {
      for await (const info of pathInfos.list(leases.optionsOf(context)))
        yield LIST_RESPONSE.make({ pathInfo: firnMessageOfPathInfo(info) });
    }),
    unary(methods.referrers, async ({ path }, context) => {
      const paths = await pathInfos.referrers(storePathOfText(path), leases.optionsOf(context));
      return REFERRERS_RESPONSE.make({ paths: paths.map(String) });
    }),
    serverStream(methods.closure, async function* ({ roots }, context) {
      const options = leases.optionsOf(context);
      const paths: StorePath[] = [];
      for (let at = 0; at < roots.length; at += HASH_PART_BYTES) {
        const hashPart = hashPartOfBytes(roots.subarray(at, at + HASH_PART_BYTES));
        const info = await pathInfos.get(hashPart, options);
        if (info === undefined)
          throw new ProtocolError("not-found", `no path with hash part ${hashPart} is registered`);
        paths.push(info.path);
      }
      for (const info of await closureOf(paths, pathInfos, options))
        yield CLOSURE_RESPONSE.make({ pathInfo: firnMessageOfPathInfo(info) });
    }),
    unary(methods.missingPaths, async ({ paths }, context) => {
      const options = leases.optionsOf(context);
      const isMissing = async (text: string, signal: AbortSignal) => {
        const path = storePathOfText(text);
        return (await pathInfos.get(path.hashPart, { ...options, signal }))?.path.equals(path) !== true;
      };
      const missing = await mapConcurrently(paths, QUESTIONS_AHEAD, isMissing, options.signal);
      return MISSING_PATHS_RESPONSE.make({ paths: paths.filter((_, i) => missing[i]) });
    }),
  ];
}
