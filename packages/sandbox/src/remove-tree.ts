/*
Deletes what a builder left behind, whatever it did to it: directories without permissions, names of any bytes, trees deeper than a
path may be long. Symlinks are removed, never followed.

It works by path, so it is only for trees that nobody else can reach any more: below a 0700 directory of ours, after the last process of the
build is gone. Too long paths are avoided by moving a deep directory up to the top and going on there. Most trees are small: their calls are made in
this thread, which takes a tenth of the time of asking another one each time; a turn of the event loop passes after a row of them. Two are left to
others: large files, whose blocks take time to free, and directories, which wait for the kernel while a dying namespace has something mounted on them.
*/

import { chmodSync, lstatSync, readdirSync, renameSync, unlinkSync } from "node:fs";
import { rmdir, unlink } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";

/** Where a directory's path has more bytes than this, it is moved up; the kernel refuses 4096. */
const PATH_BYTES_MAX = 2048;
/** Entries removed in one turn of the event loop. */
const ROW_ENTRIES = 64;
const LARGE_BYTES = 16 * 1024 * 1024;

/** Removes the tree at `path`; it is no error when there is none. */
export async function removeTree(path: string): Promise<void> {
  const top = Buffer.from(path);
  const stats = lstatSync(top, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isDirectory()) return unlinkSync(top);
  let moved = 0;
  let row = 0;
  const empty = async (directory: Buffer): Promise<void> => {
    chmodSync(directory, 0o700);
    for (const entry of readdirSync(directory, { withFileTypes: true, encoding: "buffer" })) {
      if (++row % ROW_ENTRIES === 0) await turn();
      const child = Buffer.concat([directory, SLASH, entry.name]);
      if (!entry.isDirectory()) {
        if (entry.isFile() && lstatSync(child).size > LARGE_BYTES) await unlink(child);
        else unlinkSync(child);
      } else if (child.length > PATH_BYTES_MAX) {
        chmodSync(child, 0o700); // a directory's `..` changes when it moves, which needs the right to write it
        renameSync(child, Buffer.concat([top, SLASH, Buffer.from(`.firn-deep-${moved++}`)]));
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

/** Removes a tree that other processes remove as well: who gets to rename it to `taken` does, where two at once would trip over each other. */
export async function removeTreeOnce(path: string, taken: string): Promise<void> {
  try {
    renameSync(path, taken);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return;
    throw thrown;
  }
  await removeTree(taken);
}

const SLASH = Buffer.from("/");
