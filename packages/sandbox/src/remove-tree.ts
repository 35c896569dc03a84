/*
Deletes what a builder left behind, whatever it did to it: directories without permissions, names of any bytes, trees deeper than a
path may be long. Symlinks are removed, never followed.

It works by path, so it is only for trees that nobody else can reach any more: below a 0700 directory of ours, after the last process of the
build is gone. Too long paths are avoided by moving a deep directory up to the top and going on there.
*/

import { chmod, lstat, readdir, rename, rmdir, unlink } from "node:fs/promises";

/** Where a directory's path has more bytes than this, it is moved up; the kernel refuses 4096. */
const PATH_BYTES_MAX = 2048;

/** Removes the tree at `path`; it is no error when there is none. */
export async function removeTree(path: string): Promise<void> {
  const top = Buffer.from(path);
  const isDirectory = await lstat(top).then((stat) => stat.isDirectory(), ignoreMissing);
  if (isDirectory === undefined) return;
  if (!isDirectory) return unlink(top);
  let moved = 0;
  const empty = async (directory: Buffer): Promise<void> => {
    await chmod(directory, 0o700);
    for (const entry of await readdir(directory, { withFileTypes: true, encoding: "buffer" })) {
      const child = Buffer.concat([directory, SLASH, entry.name]);
      if (!entry.isDirectory()) {
        await unlink(child);
      } else if (child.length > PATH_BYTES_MAX) {
        await chmod(child, 0o700); // a directory's `..` changes when it moves, which needs the right to write it
        await rename(child, Buffer.concat([top, SLASH, Buffer.from(`.firn-deep-${moved++}`)]));
      } else {
        await empty(child);
        await rmdir(child);
      }
    }
  };
  let before: number;
  do {
    before = moved;
    await empty(top);
  } while (moved > before);
  await rmdir(top);
}

const SLASH = Buffer.from("/");

function ignoreMissing(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code !== "ENOENT") throw thrown;
}
