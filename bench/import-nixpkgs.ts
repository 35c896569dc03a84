/* A whole nixpkgs tree, the one FIRN_NIXPKGS names, into a new store and again: with what Firn remembers of its files, and without. */

import { bench } from "./measure.ts";

const tree = process.env.FIRN_NIXPKGS;
if (tree === undefined) process.stdout.write("import-nixpkgs: FIRN_NIXPKGS names no nixpkgs tree, skipped\n");
else {
  await bench((made) => {
    const nix = () => ["nix-store", "--add", tree];
    made.measure("nixpkgs", [
      { what: "imported first", firn: () => ["store", "add", tree], nix, fresh: true },
      { what: "again", firn: () => ["store", "add", tree], nix },
      { what: "again, every file read", firn: () => ["store", "add", "--no-stat-cache", tree], nix },
    ]);
  });
}
