/*
NARs going out, made from the contents while they are sent. An address says all that has to be known (store's castore-nar-path.ts), so a NAR can be
had in ranges and never changes under its address.

A length is promised before the first byte. What turns out to have another one ends in a cut connection and not in a NAR that looks whole.
*/

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { ByteStream } from "@firn/base";
import { type CallOptions, type CastoreServices, digestOf, hasNode, LruMap, type Node } from "@firn/castore";
import { compress } from "@firn/compression";
import { type CastoreNar, type NarLayout, narLayout, renderNar, StoreError } from "@firn/store";
import { accepts } from "./accept-encoding.ts";
import { FOREVER, sendNotModified, sendStream, sendText } from "./answer.ts";
import { rangeOf } from "./byte-range.ts";
import { GatewayError } from "./error.ts";

/** Layouts that are remembered for the next range, by the directories in them. */
const LAYOUT_DIRECTORIES_MAX = 200_000;

export class NarDownload {
  readonly #services: CastoreServices;
  readonly #layouts = new LruMap<string, NarLayout>(LAYOUT_DIRECTORIES_MAX);

  constructor(services: CastoreServices) {
    this.#services = services;
  }

  /** Answers GET and HEAD for the NAR. Throws `not-found` when its contents are not here. */
  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    nar: CastoreNar,
    options: CallOptions,
  ): Promise<void> {
    const { node, narSize } = nar;
    const isEmpty = node.kind === "file" && node.size === 0;
    if (!isEmpty && !(await hasNode(node, this.#services, options)))
      throw new GatewayError("not-found", "the contents of this NAR are not here");
    const range = rangeOf(request.headers.range, narSize);
    const isPacked = range === undefined && accepts(request.headers["accept-encoding"], "zstd");
    const name = node.kind === "symlink" ? digestOf(Buffer.from(node.target, "latin1")) : node.digest;
    const kind = node.kind === "file" && node.executable ? "x" : node.kind[0];
    const etag = `"${kind}${name.slice(0, 40)}-${narSize}${isPacked ? "-zstd" : ""}"`;
    const headers: OutgoingHttpHeaders & { readonly etag: string } = {
      "content-type": "application/x-nix-nar",
      "cache-control": FOREVER,
      etag,
      vary: "accept-encoding",
    };
    if (sendNotModified(request, response, headers)) return;
    const whole = () => exactly(renderNar(node, this.#services, options), narSize);
    if (isPacked) {
      headers["content-encoding"] = "zstd";
      return await sendStream(response, 200, headers, () => compress(whole(), "zstd", options.signal));
    }
    headers["accept-ranges"] = "bytes";
    const ifRange = request.headers["if-range"];
    if (range === undefined || (ifRange !== undefined && ifRange !== etag)) {
      headers["content-length"] = narSize;
      return await sendStream(response, 200, headers, whole, "owned");
    }
    const layout = await this.#layout(node, options);
    if (layout.size !== narSize) throw wrongSize(narSize);
    const { from, to } = range;
    if (from >= to) {
      response.setHeader("content-range", `bytes */${narSize}`);
      return sendText(response, 416, `the NAR has ${narSize} bytes`);
    }
    headers["content-length"] = to - from;
    headers["content-range"] = `bytes ${from}-${to - 1}/${narSize}`;
    await sendStream(response, 206, headers, () => layout.stream(this.#services, from, to, options), "owned");
  }

  async #layout(node: Node, options: CallOptions): Promise<NarLayout> {
    if (node.kind !== "directory") return await narLayout(node, this.#services, options);
    const known = this.#layouts.get(node.digest);
    if (known !== undefined) return known;
    const layout = await narLayout(node, this.#services, options);
    this.#layouts.set(node.digest, layout, layout.directories);
    return layout;
  }
}

/** Holds the last chunk back until the length is known to be right. */
async function* exactly(nar: ByteStream, size: number): ByteStream {
  let length = 0;
  let last: Uint8Array | undefined;
  for await (const chunk of nar) {
    length += chunk.length;
    if (length > size) throw wrongSize(size);
    if (length === size) last ??= chunk;
    else yield chunk;
  }
  if (last === undefined) throw wrongSize(size);
  yield last;
}

function wrongSize(size: number): StoreError {
  return new StoreError("mismatch", `the NAR does not have the ${size} bytes that its address says`);
}
