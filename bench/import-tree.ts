/* A tree of 2,000 small files and two big ones into the store, each time a new one. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bench } from "./measure.ts";

const FOLDERS = 40;
const FILES = 50;
const BIG_BYTES = 16 * 1024 * 1024;

/** A tree unlike any other: every file holds `salt`. */
function makeTree(directory: string, salt: string): string {
  const big = new Uint8Array(BIG_BYTES);
  for (let i = 0; i < big.length; i++) big[i] = (i * 2_654_435_761 + salt.length) >>> 13;
  for (let folder = 0; folder < FOLDERS; folder++) {
    const into = join(directory, `folder-${folder}`);
    mkdirSync(into, { recursive: true });
    for (let file = 0; file < FILES; file++)
      writeFileSync(join(into, `file-${file}`), `${salt} ${folder} ${file}\n`.repeat(40));
  }
  for (const name of ["big-1", "big-2"])
    writeFileSync(join(directory, name), Buffer.concat([Buffer.from(salt + name), big]));
  return directory;
}

await bench((made) => {
  const tree = (side: string) => (run: number) => makeTree(join(made.directory, `${side}-${run}`), `${side} ${run}`);
  const ours = tree("ours");
  const theirs = tree("theirs");
  made.measure("import of 2,002 files, 38 MB", [
    {
      what: "a new tree",
      firn: (run) => ["store", "add", ours(run)],
      nix: (run) => ["nix-store", "--add", theirs(run)],
    },
    {
      what: "the same tree again",
      firn: () => ["store", "add", join(made.directory, "ours-0")],
      nix: () => ["nix-store", "--add", join(made.directory, "theirs-0")],
    },
  ]);
});
