/* One derivation whose builder writes a line, a new one each time; one that is built already; 200 that do not need each other. Nix builds without a sandbox here, Firn with. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bench } from "./measure.ts";

await bench((made) => {
  const file = join(made.directory, "trivial.nix");
  writeFileSync(
    file,
    '{ n }: derivation { name = "trivial-${n}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo hi > $out" ]; }',
  );
  const many = join(made.directory, "many.nix");
  writeFileSync(many, `{ n }: builtins.genList (i: import ${file} { n = "\${n}-\${toString i}"; }) 200`);
  const firn = (n: string) => ["build", "--no-link", file, "--argstr", "n", n];
  const nix = (n: string) => ["nix-build", "--no-out-link", file, "--argstr", "n", n];
  made.measure("one trivial derivation", [
    { what: "built", firn: (run) => firn(String(run)), nix: (run) => nix(String(run)) },
    {
      what: "200, two at a time",
      runs: 3,
      firn: (run) => ["build", "-j2", "--no-link", many, "--argstr", "n", `many-${run}`],
      nix: (run) => ["nix-build", "-j2", "--no-out-link", many, "--argstr", "n", `many-${run}`],
    },
    { what: "built before", firn: () => firn("0"), nix: () => nix("0") },
  ]);
});
