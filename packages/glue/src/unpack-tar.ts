/*
A tar archive as a tree in castore; archives name entries in any order, and directories not at all or several times. fetchTarball wants what is in the one directory at its top, if there is just that; others want all of it.
*/

import type { ByteString, ByteStream } from "@firn/base";
import type { CallOptions, CastoreServices, Node } from "@firn/castore";
import { GlueError } from "./error.ts";
import { type Folder, putFolder } from "./folder.ts";
import { readTar, type TarEntry } from "./tar-reader.ts";

export type UnpackOptions = CallOptions & {
  /** Whether a single directory at the top is taken for the tree; true when not said. */
  readonly strip?: boolean;
};

/** Stores the archive's tree and yields its root. Throws `fetch-failed` for a damaged archive, or one that leads outside itself. */
export async function unpackTar(
  archive: ByteStream,
  services: CastoreServices,
  { strip = true, ...options }: UnpackOptions = {},
): Promise<Node> {
  const root: Folder = new Map();
  for await (const entry of readTar(archive)) await take(entry, root, services, options);
  const [only] = root.values();
  const top = strip && root.size === 1 && only instanceof Map ? only : root;
  return await putFolder(top, services.directories, options);
}

async function take(entry: TarEntry, root: Folder, services: CastoreServices, options: CallOptions): Promise<void> {
  const names = namesOf(entry.path);
  const name = names.pop();
  if (name === undefined) return; // the root itself
  const parent = folderAt(root, names, entry.path);
  switch (entry.kind) {
    case "directory":
      folderAt(parent, [name], entry.path);
      return;
    case "symlink":
      parent.set(name, { kind: "symlink", target: entry.target });
      return;
    case "hard-link": {
      const others = namesOf(entry.target);
      const last = others.pop() ?? "";
      const node = folderAt(root, others, entry.target).get(last);
      if (node === undefined || node instanceof Map)
        throw refused(`'${entry.path}' is a link to '${entry.target}', which is no file before it`);
      parent.set(name, node);
      return;
    }
    case "file": {
      await using writer = services.blobs.openWrite(options);
      for await (const chunk of entry.contents) await writer.write(chunk);
      const { size, executable } = entry;
      parent.set(name, { kind: "file", digest: await writer.close(), size, executable });
    }
  }
}

function namesOf(path: ByteString): ByteString[] {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..")) throw refused(`'${path}' leads outside the archive`);
  return names;
}

function folderAt(from: Folder, names: readonly ByteString[], path: ByteString): Folder {
  let folder = from;
  for (const name of names) {
    let next = folder.get(name);
    if (next === undefined) folder.set(name, (next = new Map()));
    if (!(next instanceof Map)) throw refused(`'${path}' goes through '${name}', which is no directory`);
    folder = next;
  }
  return folder;
}

function refused(why: string): GlueError {
  return new GlueError("fetch-failed", `the tar archive cannot be unpacked: ${why}`);
}
