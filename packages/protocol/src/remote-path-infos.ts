/*
A peer's path infos, through Firn's service where it has that, else through store.v1, which knows no referrers and no registration of several at once: there
they are put one after the other, references first.
*/

import { throwIfAborted } from "@firn/base";
import type { CallOptions, Node } from "@firn/castore";
import { parseStorePath, type StorePath } from "@firn/nix-compat";
import {
  checkPathInfo,
  inRegistrationOrder,
  type NarCalculator,
  type NarDigest,
  type PathInfo,
  type PathInfoService,
  type PathInfoServiceSupports,
} from "@firn/store";
import { isAbsence } from "./castore-handlers.ts";
import { messageOfNode, numberOfMessage } from "./node-message.ts";
import {
  bytesOfHashPart,
  firnMessageOfPathInfo,
  messageOfPathInfo,
  pathInfoOfFirnMessage,
  pathInfoOfMessage,
} from "./path-info-message.ts";
import type { Peer } from "./peer.ts";
import { callClientStream, callServerStream, callUnary } from "./rpc.ts";
import { storeErrorOf } from "./status.ts";
import {
  ENTRY,
  FIRN_STORE_METHODS,
  GET_PATH_INFO_REQUEST,
  GET_REQUEST,
  LIST_PATH_INFO_REQUEST,
  LIST_REQUEST,
  PATH_INFO,
  PUT_REQUEST,
  REFERRERS_REQUEST,
  STORE_METHODS,
} from "./store-methods.ts";

/** Others do not say when they registered a path. */
const NO_TIME = 0;

export class RemotePathInfos implements PathInfoService, NarCalculator {
  readonly supports: PathInfoServiceSupports = { write: true, list: true };
  readonly #peer: Peer;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    throwIfAborted(options?.signal);
    const { channel } = this.#peer;
    try {
      const { dialect, isFirn } = await this.#peer.kind();
      const bytes = bytesOfHashPart(hashPart);
      const given = this.#peer.rpcOptions(options);
      if (isFirn) {
        const { pathInfo } = await callUnary(
          channel,
          FIRN_STORE_METHODS.get,
          GET_REQUEST.make({ hashPart: bytes }),
          given,
        );
        return pathInfo && pathInfoOfFirnMessage(pathInfo);
      }
      const request = GET_PATH_INFO_REQUEST.make({ byWhat: { case: "byOutputHash", value: bytes } });
      return pathInfoOfMessage(await callUnary(channel, STORE_METHODS[dialect].get, request, given), NO_TIME);
    } catch (thrown) {
      if (isAbsence(thrown)) return undefined;
      throw storeErrorOf(thrown);
    }
  }

  async put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    throwIfAborted(options?.signal);
    for (const info of infos) checkPathInfo(info);
    try {
      const { dialect, isFirn } = await this.#peer.kind();
      const given = this.#peer.rpcOptions(options);
      if (!isFirn) {
        for (const info of inRegistrationOrder(infos))
          await callUnary(
            this.#peer.channel,
            STORE_METHODS[dialect].put,
            PATH_INFO.make(messageOfPathInfo(info)),
            given,
          );
        return;
      }
      const messages = infos.values().map((info) => PUT_REQUEST.make({ pathInfo: firnMessageOfPathInfo(info) }));
      await callClientStream(this.#peer.channel, FIRN_STORE_METHODS.put, messages, given);
    } catch (thrown) {
      throw storeErrorOf(thrown);
    }
  }

  async *list(options?: CallOptions): AsyncGenerator<PathInfo, void> {
    throwIfAborted(options?.signal);
    const { channel } = this.#peer;
    try {
      const { dialect, isFirn } = await this.#peer.kind();
      const given = this.#peer.rpcOptions(options);
      if (isFirn) {
        for await (const { pathInfo } of callServerStream(
          channel,
          FIRN_STORE_METHODS.list,
          LIST_REQUEST.make({}),
          given,
        ))
          yield pathInfoOfFirnMessage(pathInfo);
        return;
      }
      const { list } = STORE_METHODS[dialect];
      for await (const message of callServerStream(channel, list, LIST_PATH_INFO_REQUEST.make({}), given))
        yield pathInfoOfMessage(message, NO_TIME);
    } catch (thrown) {
      throw storeErrorOf(thrown);
    }
  }

  async referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    throwIfAborted(options?.signal);
    try {
      const { isFirn } = await this.#peer.kind();
      if (isFirn) {
        const request = REFERRERS_REQUEST.make({ path: path.toString() });
        const answer = await callUnary(
          this.#peer.channel,
          FIRN_STORE_METHODS.referrers,
          request,
          this.#peer.rpcOptions(options),
        );
        return answer.paths.map(parseStorePath);
      }
      const found: StorePath[] = [];
      for await (const info of this.list(options)) {
        if (!info.path.equals(path) && info.references.some((reference) => reference.equals(path)))
          found.push(info.path);
      }
      return found;
    } catch (thrown) {
      throw storeErrorOf(thrown);
    }
  }

  async calculateNar(node: Node, options?: CallOptions): Promise<NarDigest> {
    try {
      const { dialect } = await this.#peer.kind();
      const { calculateNar } = STORE_METHODS[dialect];
      const request = ENTRY.make(messageOfNode(node, ""));
      const { narSize, narSha256 } = await callUnary(
        this.#peer.channel,
        calculateNar,
        request,
        this.#peer.rpcOptions(options),
      );
      return { narSize: numberOfMessage(narSize, "a NAR size"), narSha256 };
    } catch (thrown) {
      throw storeErrorOf(thrown);
    }
  }
}
