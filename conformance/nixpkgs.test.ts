/*
nixpkgs itself: the derivation paths C++ Nix computed (golden/) for the tree that FIRN_NIXPKGS names. The tree is no component one can
install, so without it this is skipped even with CI=true.
*/

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Subject } from "./subject.ts";

const tree = process.env.FIRN_NIXPKGS;
const options = tree === undefined ? { skip: "FIRN_NIXPKGS names no nixpkgs tree" } : {};

/** drvPath by attribute. */
const golden = new Map(
  readFileSync(join(import.meta.dirname, "golden/nixpkgs-2026.keys.tsv"), "latin1")
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"))
    .map(([attribute, drvPath]) => [attribute, drvPath]),
);

for (const attribute of ["stdenv", "hello"]) {
  test(`${attribute} of nixpkgs has the drvPath C++ Nix gives it`, options, async () => {
    const expression = `import ${tree} { system = "x86_64-linux"; config = { }; overlays = [ ]; }`;
    const subject = new Subject();
    try {
      assert.equal(await subject.attribute(expression, `${attribute}.drvPath`), golden.get(attribute));
    } finally {
      await subject.close();
    }
  });
}
