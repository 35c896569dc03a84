/*
`--add-root`: a link that is a root of garbage collection. Nix's lead to store paths, which here are names and not files of the host; a
script that reads the link finds the path it expects.
*/

import { readlinkSync, rmSync, symlinkSync } from "node:fs";
import { resolve } from "node:path";
import { parseAbsoluteStorePath } from "@firn/nix-compat";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";

/** Makes `link` lead to an absolute store path that is registered, and a root. Yields the link's host path. */
export async function addRoot(link: string, storePath: string, session: Session): Promise<string> {
  const { storeDir, workingDirectory } = session.config;
  const hostPath = resolve(workingDirectory, link);
  let target: string | undefined;
  try {
    target = readlinkSync(hostPath);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT")
      throw new CliError("result-link", `cannot create symlink '${hostPath}'; already exists`);
  }
  if (target !== undefined && !target.startsWith(`${storeDir}/`))
    throw new CliError("result-link", `cannot create symlink '${hostPath}'; already exists`);
  const store = await session.openStore();
  if (target !== undefined) rmSync(hostPath);
  symlinkSync(storePath, hostPath);
  await store.roots.addIndirectRoot(hostPath, parseAbsoluteStorePath(storePath, storeDir));
  return hostPath;
}
