/* What `nix-store --restore` makes of NARs that mean harm: nothing outside the place it was given. */

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { byteStringOfText, concatBytes, streamOf } from "@firn/base";
import { WireWriter } from "@firn/nix-compat";
import { restoreToHost } from "../src/compat/host-nar.ts";

const texts = (...words: readonly string[]) => {
  const to = new WireWriter();
  for (const word of words) to.text(word);
  return to.take();
};
const entry = (name: string, ...node: readonly string[]) =>
  texts("entry", "(", "name", name, "node", "(", ...node, ")", ")");
const nar = (...entries: readonly Uint8Array[]) =>
  concatBytes([texts("nix-archive-1", "(", "type", "directory"), ...entries, texts(")")]);
const file = ["type", "regular", "contents", "written"] as const;

test("a NAR that would be written through a link, or beside its place, writes nothing there", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "firn-restore-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const at = (name: string) => join(directory, name);
  mkdirSync(at("victim"));
  writeFileSync(at("victim/kept"), "kept");
  const link = (target: string) => ["type", "symlink", "target", at(target)];
  const inLink = ["type", "directory", "entry", "(", "name", "new", "node", "(", ...file, ")", ")"];
  const cases: Readonly<Record<string, Uint8Array>> = {
    "a directory in the place of a link": nar(entry("a", ...link("victim")), entry("a", ...inLink)),
    "a file in the place of a link": nar(entry("a", ...link("victim/kept")), entry("a", ...file)),
    "a file in the place of a dangling link": nar(entry("a", ...link("victim/new")), entry("a", ...file)),
    "a name through a link": nar(entry("a", ...link("victim")), entry("a/new", ...file)),
    "a name that leads up": nar(entry("..", ...file)),
    "a name up and away": nar(entry("../victim/new", ...file)),
    "an absolute name": nar(entry(at("victim/new"), ...file)),
  };
  let count = 0;
  for (const [what, bytes] of Object.entries(cases)) {
    const place = at(`place${count++}`);
    await assert.rejects(restoreToHost(streamOf(bytes), byteStringOfText(place)), { code: "invalid-nar" }, what);
    assert.deepEqual(readdirSync(at("victim")), ["kept"], what);
    assert.equal(readFileSync(at("victim/kept"), "utf8"), "kept", what);
  }
  // Nor when what it would be written through was there before.
  for (const target of ["victim/new", "victim/kept"]) {
    symlinkSync(at(target), at("link"));
    const one = concatBytes([texts("nix-archive-1", "("), texts(...file), texts(")")]);
    await assert.rejects(restoreToHost(streamOf(one), byteStringOfText(at("link"))), { code: "EEXIST" });
    rmSync(at("link"));
  }
  assert.ok(!existsSync(at("victim/new")));
  assert.equal(readFileSync(at("victim/kept"), "utf8"), "kept");
});
