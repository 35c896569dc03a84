/*
A store in the static layout (docs/formats/static-castore.md), made while it is asked for: the same files that `firn store publish` writes, below `/castore/`.
Plain HTTP with ranges, so bulk goes out as fast as the store gives it. Contents come in as well, where that is allowed:

    PUT  /castore/blobs/ab/<digest>    contents that must have this digest
    POST /castore/blobs                contents; the answer is their digest

It knows nothing of who may do what.
*/

import type { IncomingMessage, ServerResponse } from "node:http";
import { type ByteStream, giveBack } from "@firn/base";
import {
  type CallOptions,
  type Digest,
  encodeTree,
  outboardOf,
  parseStaticName,
  printChunkList,
  type StaticKind,
} from "@firn/castore";
import { encodePathInfo, printStaticIndex, STATIC_INDEX, type StoreServices, staticPathName } from "@firn/store";
import { answering, FOREVER, sendBytes, sendNotModified, sendRange, sendStream, sendText } from "./answer.ts";
import { GatewayError } from "./error.ts";

export type StaticCastoreParts = StoreServices & {
  /** Whether PUT and POST are answered. */
  readonly isWritable: boolean;
  /** Hears of failures that are not the peer's fault. */
  readonly report: (thrown: unknown) => void;
};

const PREFIX = "/castore/";
const BINARY = "application/octet-stream";
const PATH_NAME = /^paths\/([0-9a-z]{32})$/;

type Answer = (request: IncomingMessage, response: ServerResponse, options: CallOptions) => Promise<void>;

export class StaticCastore {
  readonly #parts: StaticCastoreParts;

  constructor(parts: StaticCastoreParts) {
    this.#parts = parts;
  }

  /** Whether requests for this address are answered here. */
  owns(url: string): boolean {
    return url.startsWith(PREFIX);
  }

  /** Answers a request for something of the layout; false, and nothing done, for any other. Failures are answers. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const url = request.url ?? "/";
    if (!this.owns(url)) return false;
    const name = url.slice(PREFIX.length);
    void answering(request, response, this.#parts.report, async (options) => {
      const isReading = request.method === "GET" || request.method === "HEAD";
      await (isReading ? this.#reading(name) : this.#writing(name, request))(request, response, options);
    });
    return true;
  }

  #reading(name: string): Answer {
    const found = parseStaticName(name);
    if (found !== undefined) return (request, response, options) => this.#readDigest(found, request, response, options);
    if (name === STATIC_INDEX) return (_, response, options) => this.#readIndex(response, options);
    const [, hashPart] = PATH_NAME.exec(name) ?? [];
    if (hashPart === undefined) throw new GatewayError("not-found", "nothing is here");
    return async (_, response, options) => {
      const info = await this.#parts.pathInfos.get(hashPart, options);
      if (info === undefined) throw new GatewayError("not-found", `${staticPathName(hashPart)} is not here`);
      sendBytes(response, 200, "application/json", encodePathInfo(info));
    };
  }

  async #readDigest(
    { kind, digest }: { readonly kind: StaticKind; readonly digest: Digest },
    request: IncomingMessage,
    response: ServerResponse,
    options: CallOptions,
  ): Promise<void> {
    const { blobs, directories } = this.#parts;
    const absent = () => new GatewayError("not-found", `${kind} ${digest} is not here`);
    const headers = { "content-type": BINARY, "cache-control": FOREVER, etag: `"${kind}-${digest}"` };
    if (sendNotModified(request, response, headers)) return;
    const whole = async (bytes: Uint8Array | undefined) => {
      if (bytes === undefined) throw absent();
      for (const [header, value] of Object.entries(headers)) response.setHeader(header, value);
      sendBytes(response, 200, BINARY, bytes);
    };
    switch (kind) {
      case "blobs": {
        await using reader = await blobs.openRead(digest, options);
        if (reader === undefined) throw absent();
        return await sendRange(request, response, reader.size, headers, (from, to) => reader.stream(from, to));
      }
      case "lists": {
        const chunks = await blobs.chunks(digest, options);
        return await whole(
          chunks === undefined || chunks.length === 0 ? undefined : Buffer.from(printChunkList(chunks)),
        );
      }
      case "outboards":
        return await whole(await outboardOf(blobs, digest, options));
      case "directories":
        return await whole((await directories.get(digest, options))?.encoded);
      case "trees": {
        if (!(await directories.has(digest, options))) throw absent();
        return await sendStream(response, 200, headers, () => encodeTree(directories.getRecursive(digest, options)));
      }
    }
  }

  async #readIndex(response: ServerResponse, options: CallOptions): Promise<void> {
    const paths = [];
    for await (const { path } of this.#parts.pathInfos.list(options)) paths.push(path);
    sendBytes(response, 200, "text/plain; charset=utf-8", printStaticIndex(paths));
  }

  #writing(name: string, { method }: IncomingMessage): Answer {
    const found = method === "PUT" ? parseStaticName(name) : undefined;
    const isPost = method === "POST" && name === "blobs";
    if (!isPost && found?.kind !== "blobs") throw new GatewayError("method", `${method} is not done here`);
    if (!this.#parts.isWritable) throw new GatewayError("forbidden", "this store takes nothing in");
    return async (request, response, options) => {
      await using writer = this.#parts.blobs.openWrite(options);
      for await (const bytes of request as ByteStream) {
        await writer.write(bytes);
        giveBack(bytes);
      }
      options.signal?.throwIfAborted();
      if (!request.complete) throw new GatewayError("bad-request", "the contents broke off");
      const digest = await writer.close();
      if (found !== undefined && digest !== found.digest)
        throw new GatewayError("bad-request", `the contents have the digest ${digest}, not ${found.digest}`);
      sendText(response, 201, digest);
    };
  }
}
