/*
Castore nodes as a NAR: the stream of bytes that Nix would have made of the same tree, and its hash and size. Nothing of it is ever
stored. For ranges of a NAR there is nar-layout.ts.
*/

import type { ByteStream } from "@firn/base";
import type { CallOptions, CastoreServices, Node } from "@firn/castore";
import { createHasher } from "@firn/hash";
import { fillSegments } from "./nar-fill.ts";
import { narSegments } from "./nar-segments.ts";

/** Hash and length of a NAR. */
export type NarDigest = {
  /** 32 bytes. */
  readonly narSha256: Uint8Array;
  readonly narSize: number;
};

/** The NAR of `node` as a single-use stream; its chunks belong to the consumer. Throws `missing` or castore's errors while it runs. */
export function renderNar(node: Node, services: CastoreServices, options?: CallOptions): ByteStream {
  return fillSegments(narSegments(node, services.directories, options), services.blobs, options);
}

/** SHA-256 and length of the NAR of `node`, by rendering it. */
export async function calculateNar(node: Node, services: CastoreServices, options?: CallOptions): Promise<NarDigest> {
  const hasher = createHasher("sha256");
  let narSize = 0;
  for await (const chunk of renderNar(node, services, options)) {
    hasher.update(chunk);
    narSize += chunk.length;
  }
  return { narSha256: hasher.digest(), narSize };
}
