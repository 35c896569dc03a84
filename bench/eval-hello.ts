/* The derivation of nixpkgs' hello, from the tree FIRN_NIXPKGS names. */

import { bench } from "./measure.ts";

const tree = process.env.FIRN_NIXPKGS;
if (tree === undefined) process.stdout.write("eval-hello: FIRN_NIXPKGS names no nixpkgs tree, skipped\n");
else {
  // The entry that any version of Nix may import; the other one asks for a newer one than the reference.
  const pkgs = `import ${tree}/pkgs/top-level/impure.nix { system = "x86_64-linux"; config = { }; overlays = [ ]; }`;
  const expression = `(${pkgs}).hello.drvPath`;
  bench((made) => {
    made.measure("nixpkgs", [
      {
        what: "hello.drvPath",
        firn: () => ["eval", "-E", expression],
        nix: () => ["nix-instantiate", "--eval", "-E", expression],
      },
    ]);
  });
}
