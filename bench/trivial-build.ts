/* One derivation whose builder writes a line, a new one each time; then one that is built already. Nix builds without a sandbox here, Firn with. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bench } from "./measure.ts";

await bench((made) => {
  const file = join(made.directory, "trivial.nix");
  writeFileSync(
    file,
    '{ n }: derivation { name = "trivial-${n}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo hi > $out" ]; }',
  );
  const firn = (n: string) => ["build", "--no-link", file, "--argstr", "n", n];
  const nix = (n: string) => ["nix-build", "--no-out-link", file, "--argstr", "n", n];
  made.measure("one trivial derivation", [
    { what: "built", firn: (run) => firn(String(run)), nix: (run) => nix(String(run)) },
    { what: "built before", firn: () => firn("0"), nix: () => nix("0") },
  ]);
});
