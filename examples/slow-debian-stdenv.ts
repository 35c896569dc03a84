/*
The package set of examples/debian-stdenv, built from source by Firn and by nix-build, and by Firn once more in an empty store: every output of every
package has the same path, bytes and references each time. Takes some ten minutes: `npm run slow:examples`.
*/

import assert from "node:assert/strict";
import { test } from "node:test";
import { buildByFirn, compareBuilds } from "./compare.ts";
import { fetchDebian } from "./debian.ts";

const OUTPUTS = [
  "hello",
  "hello.doc",
  "jq",
  "ledger",
  "lua",
  "lua.dev",
  "lua.doc",
  "sed",
  "sed.doc",
  "sqlite",
  "sqlite.lib",
  "sqlite.dev",
  "zlib",
  "zlib.dev",
  "zlib.doc",
];

test("examples/debian-stdenv comes out as nix-build makes it, twice", () => {
  fetchDebian();
  const { firn, nix } = compareBuilds("debian-stdenv", OUTPUTS);
  console.log(`firn ${Math.round(firn.ms / 1000)} s, nix-build ${Math.round(nix.ms / 1000)} s`);
  for (const { path, narHash, references } of firn.outputs) {
    console.log(`${path} ${narHash.slice(0, 16)}${references.map((reference) => `\n    ${reference}`).join("")}`);
  }
  assert.equal(firn.outputs.length, OUTPUTS.length);
  const ledger = firn.outputs[OUTPUTS.indexOf("ledger")];
  assert.deepEqual(ledger.references.map((path) => path.replace(/^[^-]*-/, "")).sort(), [
    "libc6",
    "sqlite-lib",
    "zlib",
  ]);
  assert.deepEqual(buildByFirn("debian-stdenv", OUTPUTS).outputs, firn.outputs);
});
