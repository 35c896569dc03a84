/*
Garbage collection roots: what must stay. A named root holds a path until it is removed; an indirect root holds it as long as a link
somewhere on the host is there, as `./result` is.
*/

import { readlinkSync } from "node:fs";
import { isAbsolute } from "node:path";
import { digestOf } from "@firn/castore";
import { parseStorePath, type StorePath } from "@firn/nix-compat";
import { type Root, ROOT_NAME_CHARS_MAX, type RootService, StoreError } from "@firn/store";
import type { Commits } from "./commits.ts";
import { errnoOf, LocalStoreError, storageProblem } from "./error.ts";
import { bytePath, hostPath } from "./host-path.ts";
import { readPathInfo } from "./local-path-infos.ts";
import { stampPath } from "./path-epochs.ts";
import { currentEpoch } from "./record-head.ts";
import { type StoreIndex, textKey } from "./store-index.ts";

const LINK_CHARS_MAX = 4096;

type RootRecord = { readonly name?: string; readonly link?: string; readonly path: string };

export class LocalRoots implements RootService {
  readonly #index: StoreIndex;
  readonly #commits: Commits;

  constructor(index: StoreIndex, commits: Commits) {
    this.#index = index;
    this.#commits = commits;
  }

  async addRoot(name: string, path: StorePath): Promise<void> {
    if (name === "" || name.length > ROOT_NAME_CHARS_MAX || /[\p{Cc}]/u.test(name)) {
      throw new StoreError(
        "invalid-root",
        `a root's name has 1 to ${ROOT_NAME_CHARS_MAX} characters and no control characters`,
      );
    }
    await this.#put(`name:${name}`, { name, path: path.toString() }, path);
  }

  /**
   * Holds a registered path while the link at an absolute host path is there and leads to it. Making the link is the caller's, before this and under
   * a lease: a root without its link is forgotten when garbage is collected.
   */
  async addIndirectRoot(linkHostPath: string, path: StorePath): Promise<void> {
    if (!isAbsolute(linkHostPath) || linkHostPath.length > LINK_CHARS_MAX) {
      throw new StoreError(
        "invalid-root",
        `an indirect root needs an absolute host path, got ${JSON.stringify(linkHostPath)}`,
      );
    }
    await this.#put(linkKey(linkHostPath), { link: linkHostPath, path: path.toString() }, path);
  }

  async removeRoot(name: string): Promise<void> {
    await this.#commits.remove(this.#index.roots, textKey(keyText(`name:${name}`)));
  }

  async removeIndirectRoot(linkHostPath: string): Promise<void> {
    await this.#commits.remove(this.#index.roots, textKey(keyText(linkKey(linkHostPath))));
  }

  /** Removes all roots of the paths chosen; links themselves stay. */
  async removeRootsOf(isChosen: (path: StorePath) => boolean): Promise<void> {
    for (const { name, link, path } of this.#all()) {
      if (!isChosen(parseStorePath(path))) continue;
      if (name !== undefined) await this.removeRoot(name);
      else if (link !== undefined) await this.removeIndirectRoot(link);
    }
  }

  listRoots(): Root[] {
    return this.#all().flatMap(({ name, link, path }) =>
      link === undefined || isHolding(link, path) ? [{ name, link, path: parseStorePath(path) }] : [],
    );
  }

  /** Forgets indirect roots whose links are gone, or lead elsewhere now. */
  async clean(): Promise<void> {
    const { roots } = this.#index;
    for (const { link, path } of this.#all()) {
      if (link === undefined || isHolding(link, path)) continue;
      const key = textKey(keyText(linkKey(link)));
      await this.#commits.run(() => {
        // Looked at again: it may have become another path's since.
        const now = roots.getBinary(key);
        if (now !== undefined && !isHolding(link, recordOf(now).path)) roots.removeSync(key);
      });
    }
  }

  #all(): RootRecord[] {
    const records: RootRecord[] = [];
    for (const { value } of this.#index.roots.getRange()) records.push(recordOf(value));
    return records;
  }

  async #put(key: string, record: RootRecord, path: StorePath): Promise<void> {
    const index = this.#index;
    try {
      await this.#commits.run(() => {
        if (readPathInfo(index, path.hashPart)?.path.equals(path) !== true)
          throw new StoreError("invalid-root", `${path} is not registered in the store, so it cannot be held`);
        // A collection that is under way has read the roots already.
        stampPath(index, textKey(path.hashPart), currentEpoch(index));
        index.roots.putSync(textKey(keyText(key)), Buffer.from(JSON.stringify(record)));
      });
    } catch (thrown) {
      if (thrown instanceof StoreError) throw thrown;
      throw new LocalStoreError("storage", `adding a root failed: ${storageProblem(thrown)}`, { cause: thrown });
    }
  }
}

function recordOf(value: Uint8Array): RootRecord {
  return JSON.parse(Buffer.from(value).toString()) as RootRecord;
}

/** Keys are bytes: names of any script are written as UTF-8. */
function keyText(key: string): string {
  return Buffer.from(key).toString("latin1");
}

/** Host paths are longer than keys may be. */
function linkKey(linkHostPath: string): string {
  return `link:${digestOf(Buffer.from(linkHostPath))}`;
}

/** Links lead to the path by its name, whether through Firn's directory of outputs or as a store path. One that cannot be looked at holds. */
function isHolding(link: string, path: string): boolean {
  try {
    return readlinkSync(hostPath(bytePath(link)), "latin1").includes(path);
  } catch (thrown) {
    const errno = errnoOf(thrown);
    return errno !== "ENOENT" && errno !== "ENOTDIR" && errno !== "EINVAL";
  }
}
