/*
Where things are made before they are renamed to their place: staging/<process identity>/<number>. What a killed process left is removed
when the store is opened next; a living one's is never touched.
*/

import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { ByteString } from "@firn/base";
import { errnoOf, storageError } from "./error.ts";
import { bytePath, hostPath } from "./host-path.ts";
import { identityOfSelf, mayBeAlive } from "./process-identity.ts";

// One counter for all stores a process has open: their staging directories may be the same one.
let made = 0;

export class Staging {
  readonly #dir: string;
  readonly #own: string;
  #isMade = false;

  constructor(storeDir: string) {
    this.#dir = join(storeDir, "staging");
    this.#own = join(this.#dir, identityOfSelf());
  }

  /** A host path that nothing is at yet, on the store's file system; its name begins with `prefix`. */
  newPath(prefix = ""): string {
    if (!this.#isMade) {
      try {
        mkdirSync(this.#own, { recursive: true });
      } catch (thrown) {
        throw storageError("preparing a write to the store", thrown);
      }
      this.#isMade = true;
    }
    return join(this.#own, `${prefix}${++made}`);
  }

  /** The staging directories of all processes that may be alive. */
  livingDirs(): string[] {
    return namesIn(this.#dir)
      .filter(mayBeAlive)
      .map((name) => join(this.#dir, name));
  }

  /** Removes what dead processes left. */
  clean(): void {
    for (const name of namesIn(this.#dir)) if (!mayBeAlive(name)) removeTree(bytePath(join(this.#dir, name)));
  }
}

/** Removes whatever is at `path`, read-only directories and names of any bytes included. Nothing there is no error. */
export function removeTree(path: ByteString): void {
  const host = hostPath(path);
  try {
    if (!lstatSync(host).isDirectory()) {
      unlinkSync(host);
      return;
    }
    chmodSync(host, 0o700);
    for (const name of readdirSync(host, { encoding: "buffer" })) removeTree(`${path}/${name.toString("latin1")}`);
    rmdirSync(host);
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT") throw storageError("removing what is left over", thrown);
  }
}

/** Renames a file or directory of whatever mode, at once. False when nothing is there. */
export function moveAside(path: string, aside: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  try {
    // A directory that may not be written to cannot be renamed by everyone.
    if (stats.isDirectory()) chmodSync(path, 0o700);
    renameSync(path, aside);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return false;
    if (stats.isDirectory()) chmodSync(path, stats.mode & 0o7777);
    throw thrown;
  }
}

/** What is in a directory; nothing in one that is not there. */
export function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return [];
    throw storageError("looking through the store", thrown);
  }
}
