/*
A directory of the host that holds the store's paths as real files, for clients that read /nix/store themselves, as Nix's do: bind it there in a mount
namespace of theirs, and what the daemon says is there they can open.

Files are hard links to those the store keeps for its checkouts where both are on one file system, and copies elsewhere. A path is made under another name
and renamed, with its closure, before it is spoken of; what was collected as garbage is removed.
*/

import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  link,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted } from "@firn/base";
import type { TreeExposer } from "@firn/castore";
import { parseStorePath, type StorePath } from "@firn/nix-compat";
import { closureOf, type PathInfoService } from "@firn/store";
import { GatewayError } from "./error.ts";

const MTIME = 1;
const DIRECTORY_MODE = 0o555;
const SLASH = Buffer.from("/");
/** Says that a directory is one of these. */
const MARKER = ".firn-daemon";

export type StoreDirectoryParts = {
  /** Absolute host path of the directory; made when it is not there. */
  readonly hostDir: string;
  readonly exposer: TreeExposer;
  readonly pathInfos: Pick<PathInfoService, "get">;
};

export class StoreDirectory {
  readonly #parts: StoreDirectoryParts;
  readonly #shown = new Set<string>();
  readonly #underWay = new Map<string, Promise<void>>();
  #made = 0;

  constructor(parts: StoreDirectoryParts) {
    this.#parts = parts;
  }

  /**
   * Finds out what is there already, and removes what was not finished and what is registered no more. Throws `bad-request` for a directory that holds
   * something and was not made here: what is in it would be taken as garbage.
   */
  async open(): Promise<void> {
    const { hostDir } = this.#parts;
    await mkdir(hostDir, { recursive: true, mode: 0o755 });
    const names = await readdir(hostDir);
    if (names.length > 0 && !names.includes(MARKER))
      throw new GatewayError(
        "bad-request",
        `'${hostDir}' is not empty, and not a directory of the daemon's: name an empty one, or none yet`,
      );
    await writeFile(join(hostDir, MARKER), "What is in this directory comes and goes with firn daemon.\n");
    for (const name of names) {
      if (name.startsWith(".new-")) await remove(join(hostDir, name));
      else if (name !== MARKER) this.#shown.add(name);
    }
    await this.clean();
  }

  /** Makes files of registered paths and of all they refer to. Paths that are not registered are left out. */
  async show(paths: readonly StorePath[], signal: AbortSignal): Promise<void> {
    const missing: StorePath[] = [];
    for (const path of paths) {
      if (this.#shown.has(path.toString())) continue;
      if ((await this.#parts.pathInfos.get(path.hashPart, { signal }))?.path.equals(path)) missing.push(path);
    }
    if (missing.length === 0) return;
    const skip = (path: StorePath) => this.#shown.has(path.toString());
    for (const { path, node } of await closureOf(missing, this.#parts.pathInfos, { signal, skip })) {
      throwIfAborted(signal);
      const name = path.toString();
      if (this.#shown.has(name)) continue; // by another call meanwhile
      const making = this.#underWay.get(name) ?? this.#make(name, node).finally(() => this.#underWay.delete(name));
      this.#underWay.set(name, making);
      await making;
    }
  }

  /** Removes what is registered no more. */
  async clean(): Promise<void> {
    for (const name of [...this.#shown]) {
      if (await this.#isRegistered(name)) continue;
      this.#shown.delete(name);
      const aside = this.#newPath(name);
      await rename(join(this.#parts.hostDir, name), aside).catch(ignoreMissing);
      await remove(aside);
    }
  }

  async #isRegistered(name: string): Promise<boolean> {
    try {
      const path = parseStorePath(name);
      return (await this.#parts.pathInfos.get(path.hashPart))?.path.equals(path) === true;
    } catch {
      return true; // nothing of ours
    }
  }

  async #make(name: string, node: Parameters<TreeExposer["expose"]>[0][number]): Promise<void> {
    const { exposer, hostDir } = this.#parts;
    await using exposed = await exposer.expose([node]);
    const made = this.#newPath(name);
    try {
      await copyTree(Buffer.from(exposed.hostPaths[0]), Buffer.from(made));
      // The right to write it is needed to rename a directory.
      await rename(made, join(hostDir, name));
      if (node.kind === "directory") await chmod(join(hostDir, name), DIRECTORY_MODE);
    } catch (thrown) {
      await remove(made);
      throw thrown;
    }
    this.#shown.add(name);
  }

  #newPath(name: string): string {
    return join(this.#parts.hostDir, `.new-${process.pid}-${this.#made++}-${name.slice(0, 32)}`);
  }
}

/** The tree at `from`, which holds only files, directories and symlinks; the top directory may still be written to. */
async function copyTree(from: Buffer, to: Buffer, isTop = true): Promise<void> {
  const found = await lstat(from);
  if (found.isSymbolicLink()) {
    await symlink(await readlink(from, { encoding: "buffer" }), to);
    await lutimes(to, MTIME, MTIME);
    return;
  }
  if (!found.isDirectory()) return await linkOrCopy(from, to, found.mode);
  await mkdir(to, { mode: 0o755 });
  for (const name of await readdir(from, { encoding: "buffer" }))
    await copyTree(Buffer.concat([from, SLASH, name]), Buffer.concat([to, SLASH, name]), false);
  if (!isTop) await chmod(to, DIRECTORY_MODE);
  await utimes(to, MTIME, MTIME);
}

/** Another file system, or a file with as many links as there can be, makes it a copy. */
async function linkOrCopy(from: Buffer, to: Buffer, mode: number): Promise<void> {
  try {
    await link(from, to);
  } catch (thrown) {
    if (!["EXDEV", "EMLINK", "EPERM"].includes((thrown as NodeJS.ErrnoException).code ?? "")) throw thrown;
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(to, mode & 0o7777);
    await utimes(to, MTIME, MTIME);
  }
}

/** Removes a tree whose directories may not be written to. */
async function remove(path: string | Buffer): Promise<void> {
  const found = await lstat(path).catch(ignoreMissing);
  if (found === undefined) return;
  if (!found.isDirectory()) return await unlink(path);
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true, encoding: "buffer" })) {
    const child = Buffer.concat([Buffer.from(path), SLASH, entry.name]);
    if (entry.isDirectory()) await remove(child);
    else await unlink(child);
  }
  await rm(path, { recursive: true, force: true });
}

function ignoreMissing(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code !== "ENOENT") throw thrown;
}
