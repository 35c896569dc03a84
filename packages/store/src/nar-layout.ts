/*
The NAR of a tree as something one can seek in: its length is known before any content is read, and any range of it is made from the directories and
blobs that lie in it. What is kept is one number per distinct directory; directories are read again when a range reaches them.
*/

import type { ByteStream } from "@firn/base";
import { type CallOptions, type CastoreServices, type Digest, leavesFirst, type Node } from "@firn/castore";
import { NAR_DEPTH_MAX, narLengths } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import { fillSegments } from "./nar-fill.ts";
import { entryBytes, narSegments, nodeBytes } from "./nar-segments.ts";

export class NarLayout {
  readonly node: Node;
  /** Length of the whole NAR in bytes. */
  readonly size: number;
  readonly #directoryBytes: ReadonlyMap<Digest, number>;

  /** Made by `narLayout`. */
  constructor(node: Node, directoryBytes: ReadonlyMap<Digest, number>) {
    this.node = node;
    this.#directoryBytes = directoryBytes;
    this.size = narLengths.magic + nodeBytes(node, directoryBytes);
  }

  /** How many distinct directories it remembers the length of. */
  get directories(): number {
    return this.#directoryBytes.size;
  }

  /** The bytes `[from, to)`, clipped to the NAR, as a single-use stream whose chunks belong to the consumer. */
  stream(services: CastoreServices, from = 0, to = this.size, options?: CallOptions): ByteStream {
    const range = {
      from: Math.max(0, from),
      to: Math.min(this.size, to),
      directoryBytes: this.#directoryBytes,
    };
    return fillSegments(narSegments(this.node, services.directories, options, range), services.blobs, options);
  }
}

/** Reads all directories of a tree for their sizes. Throws `missing`, or `limit` for what is too deep or long for a NAR. */
export async function narLayout(
  node: Node,
  services: Pick<CastoreServices, "directories">,
  options?: CallOptions,
): Promise<NarLayout> {
  const bytes = new Map<Digest, number>();
  const heights = new Map<Digest, number>();
  if (node.kind === "directory") {
    for await (const directory of leavesFirst(node.digest, services.directories.getRecursive(node.digest, options))) {
      let length = narLengths.directory;
      let height = 1;
      for (const entry of directory.entries) {
        length += entryBytes(entry, bytes);
        if (entry.node.kind === "directory") height = Math.max(height, 1 + (heights.get(entry.node.digest) as number));
      }
      if (height > NAR_DEPTH_MAX)
        throw new StoreError("limit", `a NAR holds directories nested at most ${NAR_DEPTH_MAX} deep`);
      if (!Number.isSafeInteger(length)) throw new StoreError("limit", "the NAR would be longer than 2^53 bytes");
      bytes.set(directory.digest, length);
      heights.set(directory.digest, height);
    }
    if (!bytes.has(node.digest)) {
      throw new StoreError("missing", `directory ${node.digest} is not stored`, { context: { digest: node.digest } });
    }
  }
  return new NarLayout(node, bytes);
}
