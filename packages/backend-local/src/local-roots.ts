/*
Garbage collection roots: what must stay. A named root holds a path until it is removed; an indirect root holds it as long as a link
somewhere on the host is there, as `./result` is.
*/

import { lstatSync } from "node:fs";
import { isAbsolute } from "node:path";
import { digestOf } from "@firn/castore";
import { parseStorePath, type StorePath } from "@firn/nix-compat";
import type { Commits } from "./commits.ts";
import { LocalStoreError, storageProblem } from "./error.ts";
import { bytePath, hostPath } from "./host-path.ts";
import { readPathInfo } from "./local-path-infos.ts";
import { type StoreIndex, textKey } from "./store-index.ts";

const NAME_CHARS_MAX = 200;
const LINK_CHARS_MAX = 4096;

/** A root in a listing. */
export type Root = {
  /** What it was added as; undefined for an indirect root. */
  readonly name?: string;
  /** The link on the host, for an indirect root. */
  readonly link?: string;
  readonly path: StorePath;
};

type RootRecord = { readonly name?: string; readonly link?: string; readonly path: string };

export class LocalRoots {
  readonly #index: StoreIndex;
  readonly #commits: Commits;

  constructor(index: StoreIndex, commits: Commits) {
    this.#index = index;
    this.#commits = commits;
  }

  /** Holds a registered path under a name; the same name again holds the new path instead. */
  async addRoot(name: string, path: StorePath): Promise<void> {
    if (name === "" || name.length > NAME_CHARS_MAX || /[\p{Cc}]/u.test(name)) {
      throw new LocalStoreError(
        "invalid-root",
        `a root's name has 1 to ${NAME_CHARS_MAX} characters and no control characters`,
      );
    }
    await this.#put(`name:${name}`, { name, path: path.toString() }, path);
  }

  /** Holds a registered path while the link at an absolute host path is there. Making the link is the caller's, after this. */
  async addIndirectRoot(linkHostPath: string, path: StorePath): Promise<void> {
    if (!isAbsolute(linkHostPath) || linkHostPath.length > LINK_CHARS_MAX) {
      throw new LocalStoreError(
        "invalid-root",
        `an indirect root needs an absolute host path, got ${JSON.stringify(linkHostPath)}`,
      );
    }
    // Paths are longer than keys may be.
    const key = `link:${digestOf(Buffer.from(linkHostPath))}`;
    await this.#put(key, { link: linkHostPath, path: path.toString() }, path);
  }

  /** Removes a named root; one that is not there is no error. */
  async removeRoot(name: string): Promise<void> {
    await this.#commits.remove(this.#index.roots, textKey(keyText(`name:${name}`)));
  }

  /** All roots, indirect ones only while something is at their link. */
  listRoots(): Root[] {
    const roots: Root[] = [];
    for (const { value } of this.#index.roots.getRange()) {
      const { name, link, path } = JSON.parse(Buffer.from(value).toString()) as RootRecord;
      if (link === undefined || isThere(link)) roots.push({ name, link, path: parseStorePath(path) });
    }
    return roots;
  }

  async #put(key: string, record: RootRecord, path: StorePath): Promise<void> {
    if (readPathInfo(this.#index, path.hashPart) === undefined) {
      throw new LocalStoreError("invalid-root", `${path} is not registered in the store, so it cannot be held`);
    }
    try {
      await this.#commits.put(this.#index.roots, textKey(keyText(key)), Buffer.from(JSON.stringify(record)));
    } catch (thrown) {
      throw new LocalStoreError("storage", `adding a root failed: ${storageProblem(thrown)}`, { cause: thrown });
    }
  }
}

/** Keys are bytes: names of any script are written as UTF-8. */
function keyText(key: string): string {
  return Buffer.from(key).toString("latin1");
}

function isThere(link: string): boolean {
  return lstatSync(hostPath(bytePath(link)), { throwIfNoEntry: false }) !== undefined;
}
