/*
Links to outputs. A store path such as /nix/store/…-hello is a name, not a file of this host, so a link at it would lead nowhere. Links
made here lead to `outputs/<name>` in the state directory and from there to real files that the store keeps for the output; and since
they pass through that name, Firn can tell from a link which store path it shows (store-target.ts).
*/

import { readlinkSync } from "node:fs";
import { access, constants, lstat, mkdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { messageOf } from "@firn/base";
import { parseStorePath, type StorePath } from "@firn/nix-compat";
import { CliError } from "./error.ts";
import { isErrno } from "./report.ts";
import type { Session } from "./session.ts";

const STORE_PATH_NAME = /^[0-9abcdfghijklmnpqrsvwxyz]{32}-/;

/** `result` for the output `out`, `result-dev` for `dev`. */
export function linkName(link: string, outputName: string): string {
  return outputName === "out" ? link : `${link}-${outputName}`;
}

/**
 * Makes `link` (relative to the working directory) show a registered store path, and the link a root of garbage collection. A link of
 * an earlier build is replaced; anything else that is there is left alone and an error (`result-link`).
 */
export async function makeResultLink(link: string, path: StorePath, session: Session): Promise<void> {
  const hostPath = resolve(session.config.workingDirectory, link);
  await checkReplaceable(hostPath);
  const store = await session.openStore();
  try {
    await showOutput(path, session, async (output) => {
      await replaceLink(hostPath, output);
      // A root without its link would be forgotten by a collection that comes by; until here the caller's lease holds the path.
      await store.roots.addIndirectRoot(hostPath, path);
    });
  } catch (thrown) {
    const message = `the link '${link}' cannot be made: ${messageOf(thrown)} (--no-link builds without one)`;
    throw new CliError("result-link", message, { cause: thrown });
  }
}

/** Makes real files of a registered path and calls `use` with the host path they are known by, `outputs/<name>`. They stay when that made it a root. */
export async function showOutput<T>(
  path: StorePath,
  session: Session,
  use: (output: string) => Promise<T>,
): Promise<T> {
  const { outputsHostDir, signal } = session;
  const store = await session.openStore();
  const info = await store.pathInfos.get(path.hashPart, { signal });
  if (info === undefined) throw new CliError("not-found", `path '${path}' is not in the store`);
  await using exposed = await store.exposer.expose([info.node], { signal });
  const output = join(outputsHostDir, path.toString());
  await replaceLink(output, exposed.hostPaths[0]);
  return await use(output);
}

/** The store path that a link at `hostPath` leads to by the last name of its target; undefined when it does not, or is none. */
export function storePathOfLink(hostPath: string): StorePath | undefined {
  try {
    const name = basename(readlinkSync(hostPath));
    return STORE_PATH_NAME.test(name) ? parseStorePath(name) : undefined;
  } catch {
    return undefined;
  }
}

/** Throws unless nothing is at `hostPath`, or a link to an output, of whichever store: one that leads to a name like a store path's. */
export async function checkReplaceable(hostPath: string): Promise<void> {
  const stats = await lstat(hostPath).catch(() => undefined);
  if (stats === undefined) return checkWritable(hostPath);
  const target = stats.isSymbolicLink() ? await readlink(hostPath) : undefined;
  if (target !== undefined && STORE_PATH_NAME.test(basename(target))) return checkWritable(hostPath);
  const what = target === undefined ? "is in the way" : `is a link to ${target}, which is no result of a build`;
  throw new CliError("result-link", `'${hostPath}' ${what}: remove it, or name another link with --out-link`);
}

/** Throws when the directory of `hostPath` is there and nothing can be made in it. */
export async function checkWritable(hostPath: string): Promise<void> {
  const directory = dirname(hostPath);
  await access(directory, constants.W_OK).catch((thrown: unknown) => {
    if (isErrno(thrown, "ENOENT")) return;
    const message = `no link can be made in '${directory}': ${messageOf(thrown)}`;
    throw new CliError("result-link", message);
  });
}

/** Makes or replaces a link in one step; its directory is made when it is not there. */
export async function replaceLink(hostPath: string, target: string): Promise<void> {
  if ((await readlink(hostPath).catch(() => undefined)) === target) return;
  await mkdir(dirname(hostPath), { recursive: true });
  const temporary = `${hostPath}.${process.pid}.tmp`;
  await rm(temporary, { force: true });
  await symlink(target, temporary);
  await rename(temporary, hostPath);
}
