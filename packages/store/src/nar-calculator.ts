/*
Who computes the hash and size of a tree's NAR. Rendering is one way; a remote store that has the contents nearby is a better one, and a
cache of answers is good for any, since an answer never changes.
*/

import { type CallOptions, type CastoreServices, LruMap, type Node } from "@firn/castore";
import { calculateNar, type NarDigest } from "./nar-render.ts";

export interface NarCalculator {
  /** Hash and size of the NAR of a node whose contents the store has. Throws `missing` when it has not all of them. */
  calculateNar(node: Node, options?: CallOptions): Promise<NarDigest>;
}

/** Renders, and remembers the last answers. */
export class RenderingCalculator implements NarCalculator {
  readonly #services: CastoreServices;
  readonly #known: LruMap<string, NarDigest>;

  /** Remembers at most `answersMax` answers. */
  constructor(services: CastoreServices, answersMax = 10_000) {
    this.#services = services;
    this.#known = new LruMap(answersMax);
  }

  async calculateNar(node: Node, options?: CallOptions): Promise<NarDigest> {
    const key =
      node.kind === "symlink"
        ? `l${node.target}`
        : `${node.kind === "file" && node.executable ? "x" : node.kind[0]}${node.digest}`;
    const known = this.#known.get(key);
    if (known !== undefined) return { ...known, narSha256: new Uint8Array(known.narSha256) };
    const answer = await calculateNar(node, this.#services, options);
    this.#known.set(key, answer, 1);
    return { ...answer, narSha256: new Uint8Array(answer.narSha256) };
  }
}
