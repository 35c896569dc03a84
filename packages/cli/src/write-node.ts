/*
A node of the store as ordinary files, the user's own: written beside the place and renamed into it when all is there, so that nothing half-written
is ever seen. A file or symlink in its place is replaced, a directory is not.
*/

import { createWriteStream } from "node:fs";
import { lstat, mkdir, mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { bytesOf } from "@firn/base";
import { type CallOptions, type CastoreServices, type Node, walkTree } from "@firn/castore";
import { CliError } from "./error.ts";

/** Throws `invalid-target` when a directory is in the way, `not-found` when contents are missing. */
export async function writeNode(
  node: Node,
  hostPath: string,
  services: CastoreServices,
  options: CallOptions,
): Promise<void> {
  const found = await lstat(hostPath).catch(() => undefined);
  if (found?.isDirectory())
    throw new CliError("invalid-target", `'${hostPath}' is a directory already: remove it first`);
  await mkdir(dirname(hostPath), { recursive: true });
  const made = await mkdtemp(join(dirname(hostPath), ".firn-"));
  try {
    const root = Buffer.from(join(made, "made"));
    for await (const { path, node: one } of walkTree(services, node, options)) {
      const at = path === "" ? root : Buffer.concat([root, Buffer.from("/"), bytesOf(path)]);
      if (one.kind === "directory") await mkdir(at);
      else if (one.kind === "symlink") await symlink(Buffer.from(bytesOf(one.target)), at);
      else {
        await using reader = await services.blobs.openRead(one.digest, options);
        if (reader === undefined) throw new CliError("not-found", `blob ${one.digest} is missing in the store`);
        await pipeline(reader.stream(), createWriteStream(at, { flags: "wx", mode: one.executable ? 0o755 : 0o644 }));
      }
    }
    await rename(root, hostPath);
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}
