/*
The hash and size of a tree's NAR while the tree is taken in: an importer that sees a tree in the order of a NAR tells this what it sees, so
that nothing has to be read a second time.
*/

import { assert, type ByteString } from "@firn/base";
import type { TreeObserver } from "@firn/castore";
import { createHasher } from "@firn/hash";
import { NarWriter } from "@firn/nix-compat";
import type { NarDigest } from "./nar-render.ts";

export class NarObserver implements TreeObserver {
  readonly #hasher = createHasher("sha256");
  readonly #writer = new NarWriter((chunk) => void this.#hasher.update(chunk));

  startDirectory(): void {
    this.#writer.startDirectory();
  }

  entry(name: ByteString): void {
    this.#writer.entry(name);
  }

  endDirectory(): void {
    this.#writer.endDirectory();
  }

  symlink(target: ByteString): void {
    this.#writer.symlink(target);
  }

  file(size: number, executable: boolean): (bytes: Uint8Array) => void {
    this.#writer.startFile(size, executable);
    return (bytes) => void this.#writer.contents(bytes);
  }

  /** The digest of the tree that was seen. To be called once, when the import succeeded. */
  finish(): NarDigest {
    this.#writer.finish();
    const narSize = this.#writer.size;
    assert(narSize > 0, "a tree was seen");
    return { narSha256: this.#hasher.digest(), narSize };
  }
}
